import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
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
    const token = edge.maker.make();
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
