// Answers when the origin does.
export default {
  async fetch(request, env) {
    const answer = await fetch("https://gate.example/");
    return new Response(`${env.NAME} after ${await answer.text()}`);
  },
};
