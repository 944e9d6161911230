// The sandbox's own Worker beside the uploaded one: tells that the runtime answers, and starts scheduled events.
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/ready") {
      return new Response("ready");
    }
    if (url.pathname !== "/scheduled" || request.method !== "POST") {
      return new Response("no such control", { status: 404 });
    }
    const { cron, time } = await request.json();
    return Response.json(await env.WORKER.scheduled({ cron, scheduledTime: new Date(time) }));
  },
};
