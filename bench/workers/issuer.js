// An issuer's documents by path: its metadata and its key set.
import documents from "./documents.json";

export default {
  fetch(request) {
    const { pathname } = new URL(request.url);
    const document = Object.hasOwn(documents, pathname) ? documents[pathname] : undefined;
    return document === undefined ? new Response(null, { status: 404 }) : Response.json(document);
  },
};
