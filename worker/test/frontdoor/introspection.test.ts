import { afterEach, describe, expect, test } from "vitest";
import { Edge, policyDocument } from "../support/edge";
import { answers, breaks, type Handler, json } from "../support/internet";
import { expectProblem } from "../support/problems";

const ENDPOINT = "acme.okta.example/oauth2/default/v1/introspect";
const TOKEN = "00opaque~Token.of+Okta/AbCdEf0123456789";

const running: Edge[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((edge) => edge.stop()));
});

async function start(handler: Handler, policy?: unknown): Promise<Edge> {
  const edge = await Edge.start(policy === undefined ? {} : { policy });
  running.push(edge);
  edge.internet.on(ENDPOINT, handler);
  edge.maker.made.push(TOKEN);
  return edge;
}

function active(changed: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return {
    active: true,
    token_type: "Bearer",
    client_id: "0oa1storefront",
    iss: "https://acme.okta.example/oauth2/default",
    aud: "api://acme-store",
    sub: "ada@acme.example",
    exp: Math.floor(Date.now() / 1000) + 600,
    groups: ["store-readers"],
    ...changed,
  };
}

function questions(edge: Edge): number {
  return edge.internet.to("acme.okta.example", "/oauth2/default/v1/introspect").length;
}

describe("an opaque token", () => {
  test("is introspected, with the edge's own credentials", async () => {
    const edge = await start(answers(active()));
    const answer = await edge.sendWithToken({}, TOKEN);
    expect(answer.status, answer.body).toBe(200);
    const [question] = edge.internet.to("acme.okta.example");
    expect(question?.method).toBe("POST");
    expect(question?.headers["content-type"]).toBe("application/x-www-form-urlencoded");
    expect([...new URLSearchParams(question?.body)]).toEqual([["token", TOKEN], ["token_type_hint", "access_token"]]);
    // RFC 6749 §2.3.1: both halves are form-encoded first.
    expect(question?.headers["authorization"]).toBe(`Basic ${btoa("portcullis-edge:s3cret%3A+of%2Ftests")}`);
    expect(await edge.auditLine(answer.headers["x-request-id"])).toMatchObject({ issuer: "workforce", roles: ["reader"] });
  });

  test("is asked about once, also in a new isolate, and is not in KV itself", async () => {
    const edge = await start(answers(active()));
    for (let round = 0; round < 3; round++) expect((await edge.sendWithToken({}, TOKEN)).status).toBe(200);
    const { key, value, ttl } = await edge.kv.written("introspection.v1.3f9c0a1b2c3d.workforce.");
    expect(key).toMatch(/\.[0-9a-f]{64}$/);
    expect(ttl).toBe(60);
    expect(key + value).not.toContain(TOKEN.slice(0, 12));
    running.splice(0);
    await edge.stop({ keepWorld: true });
    const fresh = await Edge.start({}, edge);
    running.push(fresh);
    expect((await fresh.sendWithToken({}, TOKEN)).status).toBe(200);
    expect(questions(fresh)).toBe(1);
  });

  test("that KV remembers too long, or from another contract, is asked about again", async () => {
    const edge = await start(answers(active()));
    await edge.sendWithToken({}, TOKEN);
    const { key, value, ttl } = await edge.kv.written("introspection.v1.");
    const now = Math.floor(Date.now() / 1000);
    running.splice(0);
    await edge.stop({ keepWorld: true });
    for (const until of [now - 1, now + 3600]) {
      edge.kv.entries.set(key, { value: JSON.stringify({ ...(JSON.parse(value) as object), until }), ttl });
      const before = questions(edge);
      const fresh = await Edge.start({}, edge);
      expect((await fresh.sendWithToken({}, TOKEN)).status).toBe(200);
      expect(questions(edge)).toBe(before + 1);
      await fresh.stop({ keepWorld: true });
    }
    await Promise.all([edge.internet.close(), edge.kv.close()]);
  });

  test("that is not active is a 401, and is not asked about again at once", async () => {
    const edge = await start(answers({ active: false }));
    for (let round = 0; round < 3; round++) {
      expectProblem(await edge.sendWithToken({}, TOKEN), 401, "invalid-token", "not active");
    }
    expect(questions(edge)).toBe(1);
    expect([...edge.kv.entries.keys()]).toEqual([]);
  });

  const refused: readonly (readonly [string, Readonly<Record<string, unknown>>, string])[] = [
    ["of another audience", { aud: "api://other" }, "another audience"],
    ["of no audience", { aud: undefined }, "another audience"],
    ["of another issuer", { iss: "https://evil.example" }, "not issued for this API"],
    ["that has expired", { exp: 1 }, "expired"],
    ["that never expires", { exp: undefined }, "lacks a claim"],
    ["that is not valid yet", { nbf: 4102444800 }, "not valid yet"],
    ["without a subject", { sub: undefined }, "lacks a claim"],
    ["without a client", { client_id: undefined }, "lacks a claim"],
    ["bound to a key", { cnf: { jkt: "x" } }, "bound to a key"],
    ["of another type", { token_type: "DPoP" }, "bound to a key"],
    ["that is active in another sense", { active: false }, "not active"],
  ];
  test.each(refused)("%s is refused", async (_name, changed, says) => {
    const edge = await start(answers(active(changed)));
    expectProblem(await edge.sendWithToken({}, TOKEN), 401, "invalid-token", says);
  });

  test("without the roles or the product gets as far as one with them would", async () => {
    const edge = await start(answers(active({ groups: [] })));
    expectProblem(await edge.sendWithToken({}, TOKEN), 403, "insufficient-role");
    expectProblem(await edge.sendWithToken({ path: "/payments" }, TOKEN), 403, "consumer-not-entitled");
  });

  const down: readonly (readonly [string, Handler])[] = [
    ["is down", breaks],
    ["answers 500", (_request, response) => { json(response, 500, {}); }],
    ["refuses the edge's credentials", (_request, response) => { json(response, 401, { error: "invalid_client" }); }],
    ["answers with a page", (_request, response) => { response.end("<h1>Sign in</h1>"); }],
    ["answers without saying whether it is active", answers({ sub: "ada" })],
    ["answers active in quotation marks", answers({ active: "true" })],
  ];
  test.each(down)("is a 503 when the endpoint %s", async (_name, handler) => {
    const edge = await start(handler);
    const answer = await edge.sendWithToken({}, TOKEN);
    expectProblem(answer, 503, "introspection-unavailable");
    expect(answer.headers["retry-after"]).toBe("10");
    expect(await edge.event("introspection-failed")).toMatchObject({ issuer: "workforce" });
    // Tokens that carry their own proof go on.
    expect((await edge.sendWithToken()).status).toBe(200);
    expect(edge.written.join("\n")).not.toContain(TOKEN.slice(0, 12));
  });

  test("that is too short or has other characters is refused unasked", async () => {
    const edge = await start(answers(active()));
    for (const token of ["short", "a".repeat(15), `${TOKEN}!`, `${TOKEN}=x`, "{\"a\":1}01234567890123"]) {
      expectProblem(await edge.sendWithToken({}, token), 401, "invalid-token", "malformed");
    }
    expect(questions(edge)).toBe(0);
  });

  test("is refused where no issuer introspects, or more than one", async () => {
    const policy = policyDocument();
    const issuers = policy["issuers"] as readonly Record<string, unknown>[];
    const introspection = issuers[0]?.["introspection"];
    for (const chosen of [null, introspection]) {
      const changed = issuers.map((issuer) => ({ ...issuer, introspection: chosen }));
      const secrets = JSON.stringify({ workforce: "a", partners: "b", machines: "c" });
      const edge = await Edge.start({ policy: { ...policy, issuers: changed }, bindings: { INTROSPECTION_SECRETS: secrets } });
      running.push(edge);
      edge.internet.on(ENDPOINT, answers(active()));
      expectProblem(await edge.sendWithToken({}, TOKEN), 401, "invalid-token");
      expect(questions(edge)).toBe(0);
    }
  });
});
