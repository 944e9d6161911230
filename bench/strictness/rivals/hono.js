// hono's jwk middleware, as its documentation shows it.
import { Hono } from "hono";
import { jwk } from "hono/jwk";
import facts from "./facts.json";

const app = new Hono();
app.use("*", jwk({ jwks_uri: facts.keys, alg: facts.algorithms, verification: { iss: facts.issuer, aud: facts.audience } }));
app.all("*", (context) => context.text("accepted"));

export default app;
