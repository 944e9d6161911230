export default {
  async fetch(request) {
    return Response.json({
      method: request.method,
      url: request.url,
      headers: Object.fromEntries(request.headers),
      cf: request.cf,
      body: await request.text(),
    });
  },
};
