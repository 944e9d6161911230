import { createHash } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import { Edge, policyDocument } from "../support/edge";
import { answers } from "../support/internet";
import { type IssuerKey, newKey, publishedJwk } from "../support/keys";
import { leaks } from "../support/leaks";
import { expectProblem } from "../support/problems";
import { thumbprint } from "../support/proofs";
import { sealed, unsealed } from "../support/seal";

// The edge gives KV 50 ms and goes on without it, which a busy machine may not keep.
const BUSY = { retry: 4 };
const SHARED = { ...policyDocument(), token_cache: { seconds: 300, kv: true } };

const running: Edge[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((edge) => edge.stop()));
});

async function start(policy: unknown = SHARED): Promise<Edge> {
  const edge = await Edge.start({ policy });
  running.push(edge);
  return edge;
}

/** Replaces the isolate by a new one in the same world. */
async function restart(edge: Edge, policy: unknown = SHARED): Promise<Edge> {
  running.splice(running.indexOf(edge), 1);
  await edge.stop({ keepWorld: true });
  const fresh = await Edge.start({ policy }, edge);
  running.push(fresh);
  return fresh;
}

function keyOf(edge: Edge): IssuerKey {
  const [key] = edge.maker.keys.workforce;
  if (key === undefined) throw new Error("no key");
  return key;
}

describe("JWTs in KV", () => {
  test("are not written unless the contract says so", async () => {
    const edge = await start(policyDocument());
    await edge.sendWithToken();
    await edge.kv.written("issuer-keys.");
    expect([...edge.kv.entries.keys()].filter((key) => key.startsWith("verified."))).toEqual([]);
  });

  test("are who is calling, by the hash of the token, the contract and the key", async () => {
    const edge = await start();
    const token = edge.maker.make();
    expect((await edge.sendWithToken({}, token)).status).toBe(200);
    const { key, value, ttl } = await edge.kv.written("verified.");
    const digest = createHash("sha256").update(token).digest("hex");
    expect(key).toBe(`verified.v1.3f9c0a1b2c3d.${thumbprint(keyOf(edge))}.${digest}`);
    expect(unsealed(value)).toMatchObject({ issuer: "workforce", subject: "ada@acme.example", roles: ["reader"], kid: "okta-1" });
    expect(ttl).toBeLessThanOrEqual(300);
    expect(leaks([token], edge.told())).toEqual([]);
  });

  test("are used by a new isolate, which writes them no second time", BUSY, async () => {
    const edge = await start();
    const token = edge.maker.make();
    await edge.sendWithToken({}, token);
    const { key, value, ttl } = await edge.kv.written("verified.");
    const promoted = { ...unsealed(value), roles: ["buyer", "reader"] };
    edge.kv.entries.set(key, { value: await sealed(key, promoted), ttl });
    const fresh = await restart(edge);
    expect((await fresh.sendWithToken({ path: "/orders/export" }, token)).status).toBe(200);
    expect(unsealed(fresh.kv.entries.get(key)?.value ?? "{}")).toEqual(promoted);
  });

  test.each(["past its end", "of another contract", "planted by somebody else", "unreadable"])("are left alone where an entry is %s", async (kind) => {
    const edge = await start();
    const token = edge.maker.make();
    await edge.sendWithToken({}, token);
    const { key, value, ttl } = await edge.kv.written("verified.");
    const promoted = { ...unsealed(value), roles: ["buyer", "reader"] };
    const entries: Readonly<Record<string, string>> = {
      "past its end": await sealed(key, { ...promoted, until: 1 }),
      "of another contract": await sealed(key, promoted),
      "planted by somebody else": JSON.stringify({ value: promoted, seal: "AAAA" }),
      unreadable: "<h1>",
    };
    edge.kv.entries.set(key, { value: entries[kind] ?? "", ttl });
    const fresh = await restart(edge, kind === "of another contract" ? { ...SHARED, contract: "0123456789ab" } : SHARED);
    expectProblem(await fresh.sendWithToken({ path: "/orders/export" }, token), 403, "insufficient-role");
  });

  test("of a key that the issuer has replaced under the same key id are not used", async () => {
    const edge = await start();
    const token = edge.maker.make();
    await edge.sendWithToken({}, token);
    await edge.kv.written("verified.");
    edge.kv.entries.delete("issuer-keys.v1.workforce");
    edge.cache.entries.clear();
    edge.internet.on("acme.okta.example/oauth2/default/v1/keys", answers({ keys: [publishedJwk(newKey("okta-1", "RS256"))] }));
    expectProblem(await (await restart(edge)).sendWithToken({}, token), 401, "invalid-token");
  });

  test("of a revoked token are of no use", BUSY, async () => {
    const edge = await start();
    const token = edge.maker.make();
    await edge.sendWithToken({}, token);
    await edge.kv.written("verified.");
    const entry = { issuer: "workforce", by: "jti", value: "AT.k3sJ", until: 4_102_444_800 };
    edge.kv.entries.set("revocations.v1", { value: JSON.stringify({ seq: 1, entries: [entry] }), ttl: 0 });
    expectProblem(await (await restart(edge)).sendWithToken({}, token), 401, "invalid-token", "revoked");
  });

  test.each(["down", "slow"] as const)("are not missed when KV is %s", async (mode) => {
    const edge = await start();
    edge.kv.mode = mode;
    expect((await edge.sendWithToken()).status).toBe(200);
  });
});

test("a token that an isolate remembers costs no read of KV, by whatever setting", async () => {
  const edge = await start();
  const token = edge.maker.make();
  await edge.sendWithToken({}, token);
  const before = edge.kv.reads.length;
  for (let round = 0; round < 5; round++) expect((await edge.sendWithToken({}, token)).status).toBe(200);
  expect(edge.kv.reads.length).toBe(before);
});

test("nothing is remembered where the contract says so", async () => {
  const edge = await start({ ...SHARED, token_cache: { seconds: 0, kv: false } });
  for (let round = 0; round < 3; round++) expect((await edge.sendWithToken()).status).toBe(200);
});
