// What a gateway does beside verifying a token, as it is commonly written: one operation, roles from the groups, a token
// of its own for the upstream, the request passed on with its headers, one line of log. The rivals differ in how they
// verify, and in how they sign.
import facts from "./facts.json";

const ROLES = new Map(facts.groups.map(({ value, role }) => [value, role]));
const ACCEPTED = new Set(facts.roles);

function refuse(status, title) {
  console.log(JSON.stringify({ ts: new Date().toISOString(), decision: "deny", status, title }));
  const headers = { "content-type": "application/problem+json", "cache-control": "no-store" };
  return new Response(JSON.stringify({ type: "about:blank", title, status }), { status, headers });
}

/** Answers a request; `verify` gives a token's claims or throws, `sign` makes the internal token. */
export async function answer(request, env, verify, sign) {
  const url = new URL(request.url);
  if (request.method !== "GET" || url.pathname !== facts.path) return refuse(404, "No such operation");
  const [scheme, token] = (request.headers.get("authorization") ?? "").split(" ");
  if (scheme.toLowerCase() !== "bearer" || !token) return refuse(401, "Credentials are required");
  let claims;
  try {
    claims = await verify(token, env);
  } catch {
    return refuse(401, "The token is not accepted");
  }
  const roles = (claims.groups ?? []).map((group) => ROLES.get(group)).filter((role) => role !== undefined);
  if (!roles.some((role) => ACCEPTED.has(role))) return refuse(403, "The caller lacks the role");
  const now = Math.floor(Date.now() / 1000);
  const txn = crypto.randomUUID();
  const internal = {
    iss: facts.internal.issuer,
    aud: facts.internal.audience,
    iat: now,
    exp: now + 60,
    txn,
    sub: claims.sub,
    scope: facts.operation,
    client_id: claims.cid,
    roles,
  };
  const headers = new Headers(request.headers);
  headers.delete("authorization");
  headers.set("txn-token", await sign(internal, env));
  headers.set("traceparent", `00-${txn.replaceAll("-", "")}-${txn.slice(-12)}0000-01`);
  const response = await fetch(env.APIGEE_ORIGIN + url.pathname + url.search, { method: request.method, headers });
  console.log(JSON.stringify({ ts: new Date().toISOString(), decision: "allow", txn, sub: claims.sub, status: response.status }));
  return response;
}

export { facts };
