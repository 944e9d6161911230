// Runs one KV operation, given as JSON.
export default {
  async fetch(request, env) {
    const { operation, args } = await request.json();
    try {
      const result = await env.KV[operation](...args);
      return Response.json({ result: result instanceof Map ? Object.fromEntries(result) : (result ?? null) });
    } catch (problem) {
      return Response.json({ error: problem.message });
    }
  },
};
