// Behind the Cache API: holds nothing and keeps nothing. `/count` tells how often it was asked.
const asked = { cache_reads: 0, cache_writes: 0 };

export default {
  fetch(request) {
    if (new URL(request.url).pathname === "/count") return Response.json(asked);
    if (request.method === "PUT") {
      asked.cache_writes += 1;
      return new Response(null, { status: 204 });
    }
    asked.cache_reads += 1;
    return new Response(null, { status: 504, headers: { "CF-Cache-Status": "MISS" } });
  },
};
