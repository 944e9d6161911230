// Verified by hono's jwk middleware, as its documentation shows it; the internal token is signed with hono's own `sign`.
import { Hono } from "hono";
import { jwk } from "hono/jwk";
import { sign as signJwt } from "hono/jwt";
import { answer, facts } from "./gateway.js";

const app = new Hono();
const { issuer: iss, audience: aud, algorithms: alg } = facts;

app.use("*", jwk({ jwks_uri: facts.keys, alg, verification: { iss, aud } }));
app.all("*", (context) => {
  const verify = async () => context.get("jwtPayload");
  const sign = (claims, env) => signJwt(claims, JSON.parse(env.RING).signing, "ES256");
  return answer(context.req.raw, context.env, verify, sign);
});

export default app;
