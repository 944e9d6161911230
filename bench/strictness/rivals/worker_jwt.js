// @tsndr/cloudflare-worker-jwt. It knows no key sets: the code around it looks the key up by the key id.
import { decode, verify } from "@tsndr/cloudflare-worker-jwt";
import facts from "./facts.json";
import { answer } from "./answer.js";

async function check(token) {
  const { header } = decode(token);
  const set = await (await fetch(facts.keys)).json();
  const key = set.keys.find(({ kid }) => kid === header.kid);
  if (key === undefined || !facts.algorithms.includes(header.alg)) throw new Error("no such key");
  const { payload } = await verify(token, key, { algorithm: header.alg, throwError: true });
  const audiences = [payload.aud].flat();
  if (payload.iss !== facts.issuer || !audiences.includes(facts.audience)) throw new Error("another issuer or audience");
}

export default { fetch: (request) => answer(request, check) };
