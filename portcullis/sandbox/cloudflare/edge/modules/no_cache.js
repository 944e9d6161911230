// The Cache API without a cache: every look-up misses and every put is dropped, as on a workers.dev hostname.
export default {
  fetch(request) {
    if (request.method === "PUT") {
      return new Response(null, { status: 204 });
    }
    if (request.method === "PURGE") {
      return new Response(null, { status: 404 });
    }
    return new Response(null, { status: 504, headers: { "CF-Cache-Status": "MISS" } });
  },
};
