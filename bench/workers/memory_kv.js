// Behind the KV binding: keeps what is put, in memory, and answers at once. No KV is faster.
const values = new Map();

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (request.method === "PUT") {
      values.set(pathname, await request.text());
      return new Response();
    }
    const value = values.get(pathname);
    return new Response(value ?? null, { status: value === undefined ? 404 : 200 });
  },
};
