// Behind the Cache API: holds nothing and keeps nothing.
export default {
  fetch(request) {
    if (request.method === "PUT") return new Response(null, { status: 204 });
    return new Response(null, { status: 504, headers: { "CF-Cache-Status": "MISS" } });
  },
};
