// Answers at once, and writes a key when the origin answers.
export default {
  fetch(_request, env, context) {
    context.waitUntil(fetch("https://gate.example/").then(() => env.KV.put("later", "done")));
    return new Response("accepted");
  },
};
