// An issuer's documents by path: its metadata and its key set. `/count` tells how often the key set was fetched.
import documents from "./documents.json";

let fetches = 0;

export default {
  fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/count") return Response.json({ fetches });
    const document = Object.hasOwn(documents, pathname) ? documents[pathname] : undefined;
    if (document === undefined) return new Response(null, { status: 404 });
    if ("keys" in document) fetches += 1;
    return Response.json(document);
  },
};
