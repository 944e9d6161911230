// Fetches what the query names, and passes on what came or what was thrown.
export default {
  async fetch(request) {
    const wanted = new URL(request.url).searchParams.get("url");
    try {
      return await fetch(wanted, {
        method: request.method,
        headers: { "x-from": "worker" },
        body: request.body,
        redirect: "manual",
        signal: AbortSignal.timeout(Number(request.headers.get("x-timeout") ?? 20_000)),
      });
    } catch (problem) {
      return Response.json({ thrown: problem.name }, { status: 502 });
    }
  },
};
