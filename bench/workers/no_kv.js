// Behind the KV binding: holds nothing and keeps nothing.
export default {
  fetch() {
    return new Response(null, { status: 404 });
  },
};
