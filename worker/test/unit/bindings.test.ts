import { describe, expect, test } from "vitest";
import { checkBindings } from "../../src/bindings";
import { newRing, policyDocument } from "../support/edge";

const KV = { get: () => null, put: () => null };
const GOOD: Readonly<Record<string, unknown>> = {
  APIGEE_ORIGIN: "https://apigee.acme.example",
  AUDIT_SALT: "s3cret-salt",
  ENVIRONMENT: "test",
  INTROSPECTION_SECRETS: '{"workforce":"s3cret-client","staff":"s3cret-client"}',
  KV,
  LIMIT_ORDERS: { limit: () => null },
  LIMIT_PAYMENTS: { limit: () => null },
  RING: newRing().secret,
  VERSION: { id: "5f0c7a3e", tag: "", timestamp: "2026-01-01T00:00:00Z" },
};

function ring(change: (ring: Record<string, unknown>) => Record<string, unknown>): string {
  return JSON.stringify(change(JSON.parse(newRing().secret) as Record<string, unknown>));
}

function rsa(change: (ring: Record<string, unknown>) => Record<string, unknown>): string {
  return JSON.stringify(change(JSON.parse(newRing("RS256").secret) as Record<string, unknown>));
}

function policy(change: (policy: Record<string, unknown>) => unknown): unknown {
  return change(policyDocument());
}

function withLimit(change: Record<string, unknown>): (policy: Record<string, unknown>) => unknown {
  return (it) => {
    const products = it["products"] as Record<string, { readonly limit: object }>;
    return { ...it, products: { ...products, orders: { ...products["orders"], limit: { ...products["orders"]?.limit, ...change } } } };
  };
}

const CORS = { request_headers: ["authorization"], exposed_headers: ["X-Request-Id"], max_age_seconds: 600 };

function without(document: Record<string, unknown>, name: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(document).filter(([other]) => other !== name));
}

describe("bindings", () => {
  test("that are right are taken as they are", () => {
    const checked = checkBindings(GOOD, policyDocument());
    expect(checked).toMatchObject({
      ok: true,
      value: { apigeeOrigin: "https://apigee.acme.example", environment: "test", ring: { seq: 7, signing: { alg: "ES256" } } },
    });
  });

  test("a key's metadata is of no account", () => {
    const marked = ring((document) => ({
      ...document,
      signing: { ...(document["signing"] as object), use: "sig", key_ops: ["sign"], ext: true },
    }));
    expect(checkBindings({ ...GOOD, RING: marked }, policyDocument()).ok).toBe(true);
  });

  const faults: readonly (readonly [string, string, unknown, string])[] = [
    ["APIGEE_ORIGIN is missing", "APIGEE_ORIGIN", undefined, "missing"],
    ["APIGEE_ORIGIN is http", "APIGEE_ORIGIN", "http://apigee.acme.example", "https"],
    ["APIGEE_ORIGIN has a path", "APIGEE_ORIGIN", "https://apigee.acme.example/v1", "origin"],
    ["APIGEE_ORIGIN has a slash", "APIGEE_ORIGIN", "https://apigee.acme.example/", "origin"],
    ["APIGEE_ORIGIN has a user", "APIGEE_ORIGIN", "https://u:s3cret@apigee.acme.example", "https"],
    ["APIGEE_ORIGIN is upper case", "APIGEE_ORIGIN", "https://APIGEE.acme.example", "https"],
    ["AUDIT_SALT is empty", "AUDIT_SALT", "", "text"],
    ["AUDIT_SALT is no text", "AUDIT_SALT", 1, "text"],
    ["ENVIRONMENT has a line feed", "ENVIRONMENT", "test\n", "text"],
    ["INTROSPECTION_SECRETS is no JSON", "INTROSPECTION_SECRETS", "s3cret", "no JSON"],
    ["INTROSPECTION_SECRETS is a list", "INTROSPECTION_SECRETS", "[]", "object"],
    ["INTROSPECTION_SECRETS lacks an issuer's", "INTROSPECTION_SECRETS", "{}", "workforce"],
    ["INTROSPECTION_SECRETS has three of one issuer", "INTROSPECTION_SECRETS", '{"workforce":["a","b","s3cret"]}', "$.workforce"],
    ["INTROSPECTION_SECRETS has none of an issuer", "INTROSPECTION_SECRETS", '{"workforce":[]}', "$.workforce"],
    ["INTROSPECTION_SECRETS has a blank", "INTROSPECTION_SECRETS", '{"workforce":""}', "$.workforce"],
    ["KV is missing", "KV", undefined, "KV"],
    ["KV is a text", "KV", "s3cret", "KV"],
    ["ANALYTICS is a text", "ANALYTICS", "s3cret", "dataset"],
    ["LIMIT_ORDERS is missing", "LIMIT_ORDERS", undefined, "rate limit"],
    ["LIMIT_PAYMENTS is a text", "LIMIT_PAYMENTS", "s3cret", "rate limit"],
    ["VERSION is missing", "VERSION", undefined, "missing"],
    ["VERSION has no id", "VERSION", { tag: "s3cret" }, "$.id"],
    ["RING is no JSON", "RING", "s3cret", "no JSON"],
    ["RING signs by another algorithm", "RING", ring((it) => ({ ...it, signing: { ...(it["signing"] as object), alg: "HS256" } })), "$.signing.alg"],
    ["RING has a key without an algorithm", "RING", ring((it) => ({ ...it, keys: [without((it["keys"] as Record<string, unknown>[])[0] ?? {}, "alg")] })), "$.keys[0].alg"],
    ["RING has a key of another curve", "RING", ring((it) => ({ ...it, signing: { ...(it["signing"] as object), crv: "P-384" } })), "$.signing.crv"],
    ["RING has an elliptic key that signs as RSA", "RING", ring((it) => ({ ...it, signing: { ...(it["signing"] as object), alg: "RS256" } })), "not known"],
    ["RING publishes its signing key for another algorithm", "RING", rsa((it) => ({ ...it, keys: [{ ...((it["keys"] as object[])[0]), alg: "PS256" }] })), "signing key"],
    ["RING has no seq", "RING", ring((it) => without(it, "seq")), "$.seq"],
    ["RING has seq 0", "RING", ring((it) => ({ ...it, seq: 0 })), "$.seq"],
    ["RING has four keys", "RING", ring((it) => ({ ...it, keys: Array(4).fill((it["keys"] as unknown[])[0]) })), "$.keys"],
    ["RING lacks the signing key's public half", "RING", ring((it) => ({ ...it, keys: [newRing().publicJwk] })), "signing key"],
    ["RING publishes a private key", "RING", ring((it) => ({ ...it, keys: [it["signing"]] })), "not known"],
    ["RING signs with a public key", "RING", ring((it) => ({ ...it, signing: (it["keys"] as unknown[])[0] })), "$.signing.d"],
  ];
  test.each(faults)("%s: the fault names the binding and holds no value", (_name, binding, value, cause) => {
    const checked = checkBindings({ ...GOOD, [binding]: value }, policyDocument());
    if (checked.ok) throw new Error("it was taken");
    expect(checked.error.binding).toBe(binding);
    expect(`${checked.error.binding} ${checked.error.cause}`).toContain(cause);
    expect(JSON.stringify(checked.error)).not.toContain("s3cret");
  });
});

test("Workers AI is needed where the policy asks a model, and only there", () => {
  const asking = { ...policyDocument(), ai_hint: { model: "@cf/meta/llama", per_minute: 1 } };
  expect(checkBindings(GOOD, asking)).toEqual({ ok: false, error: { binding: "AI", cause: "it is no Workers AI" } });
  expect(checkBindings({ ...GOOD, AI: { run: () => null } }, asking).ok).toBe(true);
});

describe("a policy table", () => {
  const at = (name: string, index: number, change: object) => (it: Record<string, unknown>) => ({
    ...it,
    [name]: (it[name] as object[]).map((entry, place) => (place === index ? { ...entry, ...change } : entry)),
  });
  const introspection = (change: object): object => ({
    endpoint: "https://idp.example/introspect",
    protocol: "rfc7662",
    client_id: "edge",
    token_prefix: null,
    ...change,
  });
  const faults: readonly (readonly [string, unknown, string])[] = [
    ["is a list", [], "$"],
    ["is null", null, "$"],
    ["has an unknown member", policy((it) => ({ ...it, extra: 1 })), "not known"],
    ["lacks a member", policy((it) => without(it, "leeway_seconds")), "$.leeway_seconds"],
    ["has a blank contract", policy((it) => ({ ...it, contract: "" })), "$.contract"],
    ["has no issuers", policy((it) => ({ ...it, issuers: [] })), "$.issuers"],
    ["has an issuer without roles", policy(at("issuers", 0, { roles: [] })), "$.issuers[0].roles"],
    ["has an issuer that cannot be asked either", policy(at("issuers", 2, { algorithms: [] })), "neither algorithms nor introspection"],
    ["has two issuers with opaque tokens of one prefix", policy(at("issuers", 1, { introspection: introspection({ token_prefix: null }) })), "prefixes"],
    ["introspects without a client", policy(at("issuers", 0, { introspection: introspection({ client_id: null }) })), "client"],
    ["takes an unknown binding", policy(at("issuers", 0, { sender_constraint: { methods: ["magic"], required: true, dpop_nonce: false } })), "$.issuers[0].sender_constraint.methods[0]"],
    ["remembers tokens too long", policy((it) => ({ ...it, token_cache: { seconds: 3601, kv: false } })), "$.token_cache.seconds"],
    ["asks a model of nobody", policy((it) => ({ ...it, ai_hint: { model: "gpt", per_minute: 1 } })), "$.ai_hint.model"],
    ["asks a model without end", policy((it) => ({ ...it, ai_hint: { model: "@cf/meta/llama", per_minute: 601 } })), "$.ai_hint.per_minute"],
    ["allows a symmetric algorithm", policy(at("issuers", 0, { algorithms: ["HS256"] })), "$.issuers[0].algorithms[0]"],
    ["allows no signature", policy(at("issuers", 0, { algorithms: ["none"] })), "$.issuers[0].algorithms[0]"],
    ["has an issuer over http", policy(at("issuers", 0, { issuer: "http://acme.okta.example" })), "$.issuers[0].issuer"],
    ["has a profile that is not known", policy(at("issuers", 0, { profile: "keycloak" })), "$.issuers[0].profile"],
    ["has an issuer twice", policy(at("issuers", 1, { name: "workforce" })), "distinct"],
    ["has an operation without roles", policy(at("operations", 0, { roles: [] })), "$.operations[0].roles"],
    ["has an operation with a dot segment's path", policy(at("operations", 0, { path: "/orders/%2e" })), "$.operations[0].path"],
    ["has an operation of an unknown product", policy(at("operations", 0, { product: "gold" })), "product"],
    ["has a consumer of an unknown issuer", policy((it) => ({ ...it, issuers: (it["issuers"] as unknown[]).slice(0, 2) })), "issuer"],
    ["reuses a token for longer than it lives", policy((it) => ({ ...it, internal: { ...(it["internal"] as object), reuse_seconds: 60 } })), "$.internal.reuse_seconds"],
    ["has a limit looser than the quota", policy(withLimit({ requests: 61 })), "looser"],
    ["has a limit of a period that no binding knows", policy(withLimit({ seconds: 30 })), "$.products.orders.limit.seconds"],
    ["has a page with a path", policy((it) => ({ ...it, cors: { ...CORS, origins: ["https://shop.example/a"] } })), "$.cors.origins[0]"],
    ["lets every page call", policy((it) => ({ ...it, cors: { ...CORS, origins: ["*"] } })), "$.cors.origins[0]"],
    ["has a wrong life", policy((it) => ({ ...it, internal: { ...(it["internal"] as object), life_seconds: 3600 } })), "$.internal.life_seconds"],
    ["has a fraction of a second", policy((it) => ({ ...it, leeway_seconds: 0.5 })), "$.leeway_seconds"],
    ["has a subject that is neither hash nor plain", policy((it) => ({ ...it, audit_subject: "none" })), "$.audit_subject"],
  ];
  test.each(faults)("that %s is refused, with the place", (_name, document, place) => {
    const checked = checkBindings(GOOD, document);
    if (checked.ok) throw new Error("it was taken");
    expect(checked.error.binding).toBe("policy.json");
    expect(checked.error.cause).toContain(place);
  });
});
