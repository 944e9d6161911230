// Verified with @tsndr/cloudflare-worker-jwt. It knows no key sets, so the usual code around it keeps one for ten minutes
// and fetches it anew where a key id is not in it.
import { decode, sign as signJwt, verify as verifyJwt } from "@tsndr/cloudflare-worker-jwt";
import { answer, facts } from "./gateway.js";

let keys = new Map();
let fetchedAt = 0;

async function keyOf(kid) {
  if (!keys.has(kid) || Date.now() - fetchedAt > 600_000) {
    const set = await (await fetch(facts.keys)).json();
    keys = new Map(set.keys.map((key) => [key.kid, key]));
    fetchedAt = Date.now();
  }
  return keys.get(kid);
}

async function verify(token) {
  const { header } = decode(token);
  const key = await keyOf(header.kid);
  if (key === undefined || !facts.algorithms.includes(header.alg)) throw new Error("no such key");
  const verified = await verifyJwt(token, key, { algorithm: header.alg, throwError: true });
  const { payload } = verified;
  if (payload.iss !== facts.issuer || payload.aud !== facts.audience) throw new Error("another issuer or audience");
  return payload;
}

function sign(claims, env) {
  return signJwt(claims, JSON.parse(env.RING).signing, { algorithm: "ES256", header: { typ: "txntoken+jwt" } });
}

export default {
  fetch: (request, env) => answer(request, env, verify, sign),
};
