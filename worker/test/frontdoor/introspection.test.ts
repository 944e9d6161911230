import { afterEach, describe, expect, test } from "vitest";
import { Edge, policyDocument } from "../support/edge";
import { answers, breaks, type Handler, json } from "../support/internet";
import { leaks } from "../support/leaks";
import { expectProblem } from "../support/problems";
import { sealed, unsealed } from "../support/seal";

const ENDPOINT = "acme.okta.example/oauth2/default/v1/introspect";
const TOKEN = "00opaque~Token.of+Okta/AbCdEf0123456789";

// The edge gives KV 50 ms and goes on without it, which a busy machine may not keep.
const BUSY = { retry: 4 };

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
    expect(await edge.auditLine(answer.headers["x-request-id"])).toMatchObject({ issuer: "workforce", "user.roles": ["reader"] });
  });

  test.each([
    ["the new one is not valid yet", "old", ["new", "old"]],
    ["the old one is valid no more", "new", ["new"]],
  ])("is introspected while the client secret is changed: %s", async (_, valid, tried) => {
    const secrets = JSON.stringify({ workforce: ["new", "old"], staff: "s3cret-of-org" });
    const edge = await Edge.start({ bindings: { INTROSPECTION_SECRETS: secrets } });
    running.push(edge);
    edge.maker.made.push(TOKEN);
    const credentials = (secret: string): string => `Basic ${btoa(`portcullis-edge:${secret}`)}`;
    edge.internet.on(ENDPOINT, (request, response) => {
      const isValid = request.headers["authorization"] === credentials(valid);
      json(response, isValid ? 200 : 401, isValid ? active() : { error: "invalid_client" });
    });
    expect((await edge.sendWithToken({}, TOKEN)).status).toBe(200);
    const asked = edge.internet.to("acme.okta.example", "/oauth2/default/v1/introspect");
    expect(asked.map(({ headers }) => headers["authorization"])).toEqual(tried.map(credentials));
  });

  test("is asked about once, also in a new isolate, and is not in KV itself", BUSY, async () => {
    const edge = await start(answers(active()));
    for (let round = 0; round < 3; round++) expect((await edge.sendWithToken({}, TOKEN)).status).toBe(200);
    const { key, value, ttl } = await edge.kv.written("introspection.v2.3f9c0a1b2c3d.workforce.");
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
    const { key, value, ttl } = await edge.kv.written("introspection.v2.");
    const now = Math.floor(Date.now() / 1000);
    running.splice(0);
    await edge.stop({ keepWorld: true });
    for (const until of [now - 1, now + 3600]) {
      edge.kv.entries.set(key, { value: await sealed(key, { ...unsealed(value), until }), ttl });
      const before = questions(edge);
      const fresh = await Edge.start({}, edge);
      expect((await fresh.sendWithToken({}, TOKEN)).status).toBe(200);
      expect(questions(edge)).toBe(before + 1);
      await fresh.stop({ keepWorld: true });
    }
    await Promise.all([edge.internet.close(), edge.kv.close(), edge.cache.close()]);
  });

  test("that is not active is a 401, and is not asked about again at once", async () => {
    const edge = await start(answers({ active: false }));
    for (let round = 0; round < 3; round++) {
      expectProblem(await edge.sendWithToken({}, TOKEN), 401, "invalid-token", "not active");
    }
    expect(questions(edge)).toBe(1);
    expect([...edge.kv.entries.keys()]).toEqual([]);
  });

  test("is not believed from KV unless the gateway itself wrote it there", async () => {
    const edge = await start(answers({ active: false }));
    await edge.sendWithToken({}, TOKEN);
    const now = Math.floor(Date.now() / 1000);
    const names = { issuer: "workforce", subject: "boss", client_id: "0oa1storefront", roles: ["buyer", "reader"] };
    const entry = { ...names, expires: now + 600, jti: null, kid: null, jkt: null, x5t: null, until: now + 50 };
    const [read] = edge.kv.reads.filter((key) => key.startsWith("introspection."));
    running.splice(0);
    await edge.stop({ keepWorld: true });
    const fresh = await Edge.start({}, edge);
    running.push(fresh);
    for (const value of [JSON.stringify(entry), JSON.stringify({ value: entry, seal: "AAAA" }), await sealed("another.entry", entry)]) {
      edge.kv.entries.set(read ?? "", { value, ttl: 60 });
      expectProblem(await fresh.sendWithToken({}, TOKEN), 401, "invalid-token", "not active");
    }
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
    expect(leaks(edge.maker.made, edge.told())).toEqual([]);
  });

  test("that is too short or has other characters is refused unasked", async () => {
    const edge = await start(answers(active()));
    for (const token of ["short", "a".repeat(15), `${TOKEN}!`, `${TOKEN}=x`, "{\"a\":1}01234567890123"]) {
      expectProblem(await edge.sendWithToken({}, token), 401, "invalid-token", "malformed");
    }
    expect(questions(edge)).toBe(0);
  });

  test("is refused where its issuer is not asked", async () => {
    const policy = policyDocument();
    const issuers = (policy["issuers"] as readonly Record<string, unknown>[]).filter(({ name }) => name !== "staff");
    const changed = { ...policy, issuers: issuers.map((issuer) => ({ ...issuer, introspection: null })) };
    const consumers = Object.entries(policy["consumers"] as object).filter(([, { issuer }]) => (issuer as unknown) !== "staff");
    const edge = await start(answers(active()), { ...changed, consumers: Object.fromEntries(consumers) });
    expectProblem(await edge.sendWithToken({}, TOKEN), 401, "invalid-token", "malformed");
    expect(questions(edge)).toBe(0);
  });
});

describe("an access token of the Okta org server", () => {
  const ORG = "acme.okta.example/oauth2/v1/introspect";
  const known = { client_id: "0oa1intranet", iss: "https://acme.okta.example", aud: "https://acme.okta.example", scope: "openid orders:read" };

  test("is asked about at the org server, which it names, and nowhere else", async () => {
    const edge = await start(answers({ active: false }));
    edge.internet.on(ORG, answers(active(known)));
    const token = edge.maker.make({ issuer: "staff" });
    for (let round = 0; round < 2; round++) expect((await edge.sendWithToken({}, token)).status).toBe(200);
    expect(edge.internet.to("acme.okta.example").map(({ path }) => path)).toEqual(["/oauth2/v1/introspect"]);
    expect(new URLSearchParams(edge.internet.to("acme.okta.example")[0]?.body).get("token")).toBe(token);
  });

  test("is a 503 while the org server is down, and tokens of the custom server go on", async () => {
    const edge = await start(breaks);
    edge.internet.on(ORG, breaks);
    expectProblem(await edge.sendWithToken({}, edge.maker.make({ issuer: "staff" })), 503, "introspection-unavailable");
    expect((await edge.sendWithToken()).status).toBe(200);
  });

  test("has no keys to be fetched when the isolate is warmed", async () => {
    const edge = await start(breaks);
    await edge.cron();
    expect(edge.internet.to("acme.okta.example").map(({ path }) => path).filter((path) => !path.startsWith("/oauth2/default"))).toEqual([]);
  });
});

describe("an opaque access token of Google", () => {
  const GOOGLE_TOKEN = "ya29.a0AfH6SMBx-made-up_for.tests";
  const TOKENINFO = "oauth2.googleapis.example/tokeninfo";
  const CLIENT = "4711-partners.apps.googleusercontent.example";
  const info = (changed: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> => ({
    azp: CLIENT,
    aud: CLIENT,
    sub: "110169484474386276334",
    scope: "openid https://www.googleapis.example/auth/userinfo.email",
    exp: String(Math.floor(Date.now() / 1000) + 600),
    expires_in: "600",
    email: "boss@partner.example",
    email_verified: "true",
    access_type: "online",
    ...changed,
  });

  test("is told from others by its prefix, and asked about in Google's own way", async () => {
    const edge = await start(answers(active()));
    edge.internet.on(TOKENINFO, answers(info()));
    const answer = await edge.sendWithToken({ path: "/orders/export" }, GOOGLE_TOKEN);
    expect(answer.status, answer.body).toBe(200);
    const [question] = edge.internet.to("oauth2.googleapis.example");
    expect([question?.method, question?.path, question?.body]).toEqual(["POST", "/tokeninfo", `access_token=${GOOGLE_TOKEN}`]);
    expect(question?.headers["authorization"]).toBeUndefined();
    expect(questions(edge)).toBe(0);
  });

  const refused: readonly (readonly [string, Readonly<Record<string, unknown>>, number, string])[] = [
    ["of another client", { aud: "9999.apps.googleusercontent.example" }, 401, "another audience"],
    ["that has expired", { exp: "1" }, 401, "expired"],
    ["with no expiry", { exp: undefined }, 503, "cannot be checked"],
    ["whose email nobody verified", { email_verified: "false" }, 403, "roles"],
  ];
  test.each(refused)("%s is refused", async (_name, changed, status, says) => {
    const edge = await start(answers(active()));
    edge.internet.on(TOKENINFO, answers(info(changed)));
    const answer = await edge.sendWithToken({ path: "/orders/export" }, GOOGLE_TOKEN);
    expect(answer.status).toBe(status);
    expect(answer.body).toContain(says);
  });

  test("that Google does not know is a 401; a Google that is down is a 503", async () => {
    const edge = await start(answers(active()));
    expectProblem(await edge.sendWithToken({}, GOOGLE_TOKEN), 401, "invalid-token", "not active");
    edge.internet.on(TOKENINFO, (_request, response) => { json(response, 500, {}); });
    expectProblem(await edge.sendWithToken({}, `${GOOGLE_TOKEN}2`), 503, "introspection-unavailable");
  });
});
