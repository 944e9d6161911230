export default {
  async fetch(request, env) {
    const { model, inputs } = await request.json();
    return Response.json(await env.AI.run(model, inputs).catch((problem) => ({ error: problem.message })));
  },
};
