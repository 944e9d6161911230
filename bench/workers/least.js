// The least that a gateway with an internal token does, whatever its code: it looks a token up by its hash, takes the
// client's token out of the headers and puts one that it signs in, sends the request on with a time limit, writes a line
// and answers with headers of its own. It decides nothing: who has a token is let through, who has none is refused.
const ES256 = { name: "ECDSA", hash: "SHA-256" };
const TOKEN_LIKE = "x".repeat(650);
const LINE = JSON.stringify({ line: "x".repeat(600) });

const encoder = new TextEncoder();
let signing;

async function sign(ring) {
  signing ??= crypto.subtle.importKey("jwk", JSON.parse(ring).signing, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign(ES256, await signing, encoder.encode(TOKEN_LIKE)));
}

function refuse() {
  console.log(LINE);
  const headers = { "content-type": "application/problem+json", "cache-control": "no-store", "www-authenticate": "Bearer" };
  return new Response('{"type":"about:blank","status":401}', { status: 401, headers });
}

async function forward(request, env, token) {
  await crypto.subtle.digest("SHA-256", encoder.encode(token));
  const headers = new Headers(request.headers);
  headers.delete("authorization");
  headers.set("txn-token", TOKEN_LIKE + (await sign(env.RING)).toBase64({ alphabet: "base64url", omitPadding: true }));
  headers.set("traceparent", `00-${crypto.randomUUID().replaceAll("-", "")}-00000000000000ff-01`);
  const url = env.APIGEE_ORIGIN + request.url.slice(request.url.indexOf("/", "https://".length));
  const signal = AbortSignal.timeout(30_000);
  const answer = await fetch(url, { method: request.method, headers, body: request.body, redirect: "manual", signal });
  console.log(LINE);
  const response = new Response(answer.body, answer);
  response.headers.set("x-request-id", "x".repeat(32));
  return response;
}

export default {
  fetch(request, env) {
    const token = request.headers.get("authorization");
    return token === null ? refuse() : forward(request, env, token);
  },
};
