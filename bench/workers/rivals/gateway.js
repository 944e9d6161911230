// The same gateway as it is commonly written: one operation, roles from the groups, the application known, its requests
// counted, a token of its own for the upstream, no identity that a client made up, an answer in time, problems, a trace
// and one line of audit. The rivals differ in how they verify, and in how they sign.
import facts from "./facts.json";

const ROLES = new Map(facts.groups.map(({ value, role }) => [value, role]));
const ACCEPTED = new Set(facts.roles);
const ORIGINS = new Set(facts.origins);
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/;
const NOT_ONWARD =
  /^(?:host|connection|keep-alive|te|trailer|upgrade|transfer-encoding|authorization|dpop|txn-token|forwarded|remote-user|client-cert|x-real-ip|x-remote-user|x-original-url|x-http-method-override|x-(?:identity|apigee|forwarded|auth|goog|ssl)-.*)$/;
const NOT_BACK = /^(?:connection|keep-alive|transfer-encoding|txn-token|traceparent|tracestate|x-(?:identity|apigee)-.*)$/;

const encoder = new TextEncoder();
let pseudonymKey;

const digits = () => crypto.randomUUID().replaceAll("-", "");

async function pseudonym(salt, subject) {
  pseudonymKey ??= crypto.subtle.importKey("raw", encoder.encode(salt), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const digest = await crypto.subtle.sign("HMAC", await pseudonymKey, encoder.encode(`${facts.issuer}|${subject}`));
  return [...new Uint8Array(digest, 0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What is known of a request, and the ways in which it ends. */
class Exchange {
  constructor(request, env) {
    const [, traceId, parentId] = TRACEPARENT.exec(request.headers.get("traceparent") ?? "") ?? [];
    this.startedAt = Date.now();
    this.request = request;
    this.env = env;
    this.spanId = digits().slice(0, 16);
    this.found = { trace_id: traceId ?? digits(), parent_id: parentId ?? null };
  }

  audit(decision, reason, status) {
    const line = {
      ts: new Date(this.startedAt).toISOString(),
      hop: "edge",
      env: this.env.ENVIRONMENT,
      span_id: this.spanId,
      ...this.found,
      decision,
      reason,
      "http.request.method": this.request.method,
      "http.route": facts.path,
      contract: facts.contract,
      "http.response.status_code": status,
      duration_ms: Date.now() - this.startedAt,
    };
    console.log(JSON.stringify(line));
  }

  mark(response) {
    const origin = this.request.headers.get("origin");
    response.headers.set("x-request-id", this.found.trace_id);
    response.headers.append("vary", "origin");
    if (ORIGINS.has(origin)) response.headers.set("access-control-allow-origin", origin);
    return response;
  }

  refuse(status, slug, title, challenge) {
    this.audit("deny", slug, status);
    const document = { type: `${facts.problems}/${slug}`, title, status, trace_id: this.found.trace_id };
    const headers = { "content-type": "application/problem+json", "cache-control": "no-store" };
    if (challenge !== undefined) headers["www-authenticate"] = challenge;
    return this.mark(new Response(JSON.stringify(document), { status, headers }));
  }
}

function onwardHeaders(request, exchange, token) {
  const headers = new Headers(request.headers);
  for (const name of request.headers.keys()) if (NOT_ONWARD.test(name)) headers.delete(name);
  headers.set("txn-token", token);
  headers.set("traceparent", `00-${exchange.found.trace_id}-${exchange.spanId}-01`);
  headers.set("x-request-id", exchange.found.trace_id);
  return headers;
}

/** Answers a request; `verify` gives a token's claims or throws, `sign` makes the internal token. */
export async function answer(request, env, verify, sign) {
  const exchange = new Exchange(request, env);
  const url = new URL(request.url);
  if (request.method !== "GET" || url.pathname !== facts.path) return exchange.refuse(404, "operation-not-found", "No such operation");
  const [scheme, token] = (request.headers.get("authorization") ?? "").split(" ");
  if (scheme.toLowerCase() !== "bearer" || !token) {
    return exchange.refuse(401, "no-credentials", "Credentials are required", `Bearer realm="${facts.internal.issuer}"`);
  }
  let claims;
  try {
    claims = await verify(token, env);
  } catch {
    const challenge = `Bearer realm="${facts.internal.issuer}", error="invalid_token"`;
    return exchange.refuse(401, "invalid-token", "The token is not accepted", challenge);
  }
  const roles = (claims.groups ?? []).map((group) => ROLES.get(group)).filter((role) => role !== undefined);
  const subject = await pseudonym(env.AUDIT_SALT, claims.sub);
  const consumer = facts.consumers[claims.cid];
  Object.assign(exchange.found, { "user.hash": subject, "user.roles": roles, operation: facts.operation, product: facts.product, client_id: consumer });
  if (consumer === undefined) return exchange.refuse(403, "consumer-not-entitled", "The application may not use this");
  if (!roles.some((role) => ACCEPTED.has(role))) return exchange.refuse(403, "insufficient-role", "The caller lacks the role");
  const { success } = await env[facts.limiter].limit({ key: consumer });
  if (!success) return exchange.refuse(429, "quota-exceeded", "The quota is used up");
  const now = Math.floor(Date.now() / 1000);
  const txn = crypto.randomUUID();
  const internal = {
    iss: facts.internal.issuer,
    aud: facts.internal.audience,
    iat: now,
    exp: now + facts.internal.life_seconds,
    txn,
    sub: claims.sub,
    scope: facts.operation,
    client_id: consumer,
    roles,
    product: facts.product,
    req_wl: `edge/${env.ENVIRONMENT}`,
    tctx: { operation: facts.operation, contract: facts.contract, issuer: facts.issuer, sub_hash: subject },
  };
  const headers = onwardHeaders(request, exchange, await sign(internal, env));
  const signal = AbortSignal.timeout(facts.timeoutSeconds * 1000);
  let received;
  try {
    received = await fetch(env.APIGEE_ORIGIN + url.pathname + url.search, { method: request.method, headers, redirect: "manual", signal });
  } catch {
    return exchange.refuse(signal.aborted ? 504 : 503, "backend-unavailable", "The API cannot be reached");
  }
  Object.assign(exchange.found, { txn, upstream_status: received.status });
  exchange.audit("allow", "ok", received.status);
  const response = new Response(received.body, received);
  for (const name of received.headers.keys()) if (NOT_BACK.test(name)) response.headers.delete(name);
  return exchange.mark(response);
}

export { facts };
