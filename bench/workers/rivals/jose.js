// Verified with jose's remote key set, as its documentation shows it: one for the isolate, with its own cool-down.
import { createRemoteJWKSet, importJWK, jwtVerify, SignJWT } from "jose";
import { answer, facts } from "./gateway.js";

const keys = createRemoteJWKSet(new URL(facts.keys));
const { issuer, audience, algorithms } = facts;
let signing;

async function verify(token) {
  const { payload } = await jwtVerify(token, keys, { issuer, audience, algorithms });
  return payload;
}

async function sign(claims, env) {
  signing ??= importJWK(JSON.parse(env.RING).signing, "ES256");
  return new SignJWT(claims).setProtectedHeader({ alg: "ES256", typ: "txntoken+jwt" }).sign(await signing);
}

export default {
  fetch: (request, env) => answer(request, env, verify, sign),
};
