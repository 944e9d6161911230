export default {
  fetch(_request, env) {
    console.log(JSON.stringify({ hop: "edge", trace_id: "0".repeat(32), reason: "ok" }));
    console.log(`hello\n{"hop":"edge","trace_id":"forged"}`);
    console.error(`secret ${env.SECRET}`);
    return new Response("ok");
  },
};
