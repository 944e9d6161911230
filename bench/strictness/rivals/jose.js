// jose's remote key set, as its documentation shows it.
import { createRemoteJWKSet, jwtVerify } from "jose";
import facts from "./facts.json";
import { answer } from "./answer.js";

const keys = createRemoteJWKSet(new URL(facts.keys));
const { issuer, audience, algorithms } = facts;

export default { fetch: (request) => answer(request, (token) => jwtVerify(token, keys, { issuer, audience, algorithms })) };
