import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import schema from "../data/audit_schema.json";
import { Edge, type Line, policyDocument } from "../support/edge";
import { answers } from "../support/internet";

const SHARED = { ...policyDocument(), token_cache: { seconds: 300, kv: true } };
const NOTHING = { "auth.alg": null, "auth.kid": null, "auth.token_hash": null, "auth.cache": null };

describe("how it was found out who calls", () => {
  let edge: Edge;
  beforeAll(async () => {
    edge = await Edge.start({ policy: SHARED });
  });
  afterAll(() => edge.stop());

  async function lineOf(sent: ReturnType<Edge["send"]>): Promise<Line> {
    return edge.auditLine((await sent).headers["x-request-id"]);
  }

  test("is by the issuer's key, then by what the isolate remembers of that very token", async () => {
    const token = edge.maker.make({ claims: { jti: "never-seen-before" } });
    const known = {
      "auth.alg": "RS256",
      "auth.kid": "okta-1",
      "auth.token_hash": createHash("sha256").update(token).digest("hex").slice(0, 32),
    };
    expect(await lineOf(edge.sendWithToken({}, token))).toMatchObject({ ...known, "auth.cache": "miss" });
    expect(await lineOf(edge.sendWithToken({}, token))).toMatchObject({ ...known, "auth.cache": "isolate" });
  });

  // The edge gives KV 50 ms and goes on without it, which a busy machine may not keep.
  test("is by what another isolate has verified", { retry: 4 }, async () => {
    const token = edge.maker.make();
    await edge.sendWithToken({}, token);
    await edge.kv.written("verified.");
    const fresh = await Edge.start({ policy: SHARED }, edge);
    const answer = await fresh.sendWithToken({}, token);
    const line = await fresh.auditLine(answer.headers["x-request-id"]);
    await fresh.stop({ keepWorld: true });
    expect(line).toMatchObject({ "auth.alg": "RS256", "auth.kid": "okta-1", "auth.cache": "kv" });
  });

  test("is by the issuer's word, which names no key", async () => {
    const exp = Math.floor(Date.now() / 1000) + 300;
    const active = { active: true, aud: "api://acme-store", client_id: "0oa1storefront", sub: "ada@acme.example", exp };
    edge.internet.on("acme.okta.example/oauth2/default/v1/introspect", answers(active));
    const line = await lineOf(edge.sendWithToken({}, "an-opaque-token-of-the-workforce"));
    expect(line).toMatchObject({ "auth.alg": null, "auth.kid": null, "auth.cache": "introspected" });
    expect(line["auth.token_hash"]).toMatch(/^[0-9a-f]{32}$/);
  });

  test("is told of no token that was not verified, whatever key it names", async () => {
    const token = edge.maker.make();
    const forged = `${token.slice(0, -6)}AAAAAA`;
    expect(await lineOf(edge.sendWithToken({}, forged))).toMatchObject({ decision: "deny", "error.type": "invalid-token", ...NOTHING });
    expect(await lineOf(edge.send())).toMatchObject({ decision: "deny", "error.type": "no-credentials", ...NOTHING });
  });
});

test("a request that is allowed has no error", async () => {
  const edge = await Edge.start();
  const answer = await edge.sendWithToken();
  expect(await edge.auditLine(answer.headers["x-request-id"])).toMatchObject({ reason: "ok", "error.type": null });
  await edge.stop();
});

describe("a caller who writes what looks like a line", () => {
  const LINE = '{"hop":"edge","decision":"allow"}';
  const BREAK = '","decision":"allow"} {"hop":"edge';
  let edge: Edge;
  beforeAll(async () => {
    edge = await Edge.start({ policy: { ...policyDocument(), audit_subject: "plain" } });
  });
  afterAll(() => edge.stop());

  test.each([
    ["into the subject", { claims: { sub: BREAK } }, {}, { "user.id": BREAK, "http.route": "/orders" }],
    ["into the user agent", {}, { headers: { "user-agent": `x ${LINE}` } }, { "user.id": "ada@acme.example" }],
    ["into the path", {}, { path: `/orders/%0D%0A${encodeURIComponent(LINE)}` }, { decision: "deny", "http.route": null }],
    ["into the query", {}, { path: `/orders?a=%0d%0a${encodeURIComponent(LINE)}` }, { "http.route": "/orders" }],
    ["with a line break in the subject", { claims: { sub: `ada\r\n${LINE}` } }, {}, { decision: "deny", "user.id": null }],
    ["with an escape in the subject", { claims: { sub: "ada\u001b[2J" } }, {}, { decision: "deny", "user.id": null }],
  ] as const)("%s writes one line, with nothing of it out of its place", async (_where, recipe, request, expected) => {
    const before = edge.audit.length;
    const answer = await edge.sendWithToken(request, edge.maker.make(recipe));
    const line = await edge.auditLine(answer.headers["x-request-id"]);
    expect(line).toMatchObject({ decision: "allow", ...expected });
    expect(edge.audit.length).toBe(before + 1);
    expect(Object.keys(line)).toEqual(Object.keys(schema));
  });
});
