// Behind the KV binding: holds nothing and keeps nothing. `/count` tells how often it was asked; looks at the revocation
// list, which no request waits for, are told apart.
const asked = { kv_reads: 0, kv_writes: 0, list_looks: 0 };

export default {
  fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/count") return Response.json(asked);
    if (request.method !== "GET") asked.kv_writes += 1;
    else if (pathname === "/revocations.v1") asked.list_looks += 1;
    else asked.kv_reads += 1;
    return new Response(null, { status: 404 });
  },
};
