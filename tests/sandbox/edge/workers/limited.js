export default {
  async fetch(request, env) {
    const { success } = await env.LIMITER.limit({ key: new URL(request.url).pathname });
    env.POINTS.writeDataPoint({ blobs: ["one"], doubles: [1], indexes: [request.url] });
    return new Response(null, { status: success ? 204 : 429 });
  },
};
