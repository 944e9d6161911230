import { generateKeyPairSync, type JsonWebKey } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type Attempt, freshSeconds, type KeyState, mayDoubt, type Plan, planFor } from "../../src/keys/freshness";
import { oauthMetadataUrl } from "../../src/keys/discovery";
import { type KeySet, readKeySet } from "../../src/keys/verification_key";
import { type Algorithm } from "../../src/policy/table";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "jwk" });
const weakRsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" });
const ecPair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ec = ecPair.publicKey.export({ format: "jwk" });
const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey.export({ format: "jwk" });
const ALLOWED: readonly Algorithm[] = ["RS256", "ES256"];

async function kidsOf(keys: readonly unknown[], algorithms = ALLOWED): Promise<readonly string[] | undefined> {
  const set = await readKeySet({ keys }, algorithms);
  return set && [...set.keys()];
}

describe("a key of an issuer's set", () => {
  const good = { ...rsa, kid: "good", alg: "RS256", use: "sig" };

  test.each<[string, JsonWebKey]>([
    ["RSA", { ...rsa }],
    ["RSA with alg and use", { ...rsa, alg: "RS256", use: "sig" }],
    ["EC", { ...ec }],
    ["EC with key_ops", { ...ec, key_ops: ["verify"] }],
    ["members that are not known", { ...ec, x5t: "AAAA", issued: 1 }],
  ])("is used: %s", async (_name, jwk) => {
    expect(await kidsOf([{ ...jwk, kid: "k" }])).toEqual(["k"]);
  });

  test.each<[string, Record<string, unknown>]>([
    ["symmetric", { kty: "oct", k: "AAAA", kid: "k" }],
    ["symmetric in an RSA key's clothes", { ...rsa, k: "AAAA", kid: "k" }],
    ["with its private half", { ...ecPair.privateKey.export({ format: "jwk" }), kid: "k" }],
    ["for encryption", { ...rsa, use: "enc", kid: "k" }],
    ["for signing only", { ...rsa, key_ops: ["sign"], kid: "k" }],
    ["of an algorithm that is not allowed", { ...rsa, alg: "RS512", kid: "k" }],
    ["of an algorithm for another type", { ...ec, alg: "RS256", kid: "k" }],
    ["of a curve that is not allowed", { ...p384, kid: "k" }],
    ["of a weak modulus", { ...weakRsa, kid: "k" }],
    ["with exponent 1", { ...rsa, e: "AQ", kid: "k" }],
    ["with an even exponent", { ...rsa, e: "Ag", kid: "k" }],
    ["with a huge exponent", { ...rsa, e: "AQAAAAAB", kid: "k" }],
    ["off its curve", { ...ec, y: ec.x, kid: "k" }],
    ["without a coordinate", { ...ec, y: undefined, kid: "k" }],
    ["with padding", { ...rsa, n: `${rsa.n ?? ""}==`, kid: "k" }],
    ["without a key id", { ...rsa }],
    ["with an empty key id", { ...rsa, kid: "" }],
    ["with a key id that is no text", { ...rsa, kid: 1 }],
    ["with a key id of 257 characters", { ...rsa, kid: "k".repeat(257) }],
  ])("is left out, and the others stay: %s", async (_name, jwk) => {
    expect(await kidsOf([jwk, good])).toEqual(["good"]);
  });

  test("is left out where another has its key id, since nobody can say which is meant", async () => {
    expect(await kidsOf([{ ...rsa, kid: "k" }, { ...ec, kid: "k" }, good])).toEqual(["good"]);
  });

  test("without alg is for the issuer's first algorithm that suits it", async () => {
    const set = await readKeySet({ keys: [{ ...rsa, kid: "k" }] }, ["ES256", "PS256", "RS256"]);
    expect(set?.get("k")?.algorithm).toBe("PS256");
  });

  test("keeps its public members only", async () => {
    const set = await readKeySet({ keys: [{ ...ec, kid: "k", x5c: ["MIIB"] }] }, ALLOWED);
    expect(Object.keys(set?.get("k")?.jwk ?? {}).sort()).toEqual(["alg", "crv", "kid", "kty", "x", "y"]);
  });
});

describe("an issuer's set", () => {
  test.each<[string, unknown]>([
    ["empty", { keys: [] }],
    ["without keys", {}],
    ["a list", []],
    ["of texts", { keys: ["k", null, 1] }],
    ["of unfit keys only", { keys: [{ ...weakRsa, kid: "k" }] }],
    ["of more than 100 keys", { keys: Array.from({ length: 101 }, (_, index) => ({ ...ec, kid: `k${index}` })) }],
  ])("that is %s is none", async (_name, document) => {
    expect(await readKeySet(document, ALLOWED)).toBeUndefined();
  });
});

describe("the plan for a key id", () => {
  const NOW = 1_000_000;
  const keys = new Map([["known", {}]]) as unknown as KeySet;
  const held = (age: number): KeyState["held"] => ({ keys, fetchedAt: NOW - age, freshSeconds: 600 });
  const tried = (outcome: Attempt["outcome"], age: number): Attempt => ({ at: NOW - age, outcome });

  test.each<[string, string, KeyState, Plan]>([
    ["nothing is known", "known", { held: null, attempt: null }, "fetch"],
    ["the set is fresh", "known", { held: held(599), attempt: tried("fruitful", 599) }, "use"],
    ["the set is no longer fresh", "known", { held: held(600), attempt: tried("fruitful", 600) }, "use-and-renew"],
    ["renewing just failed", "known", { held: held(700), attempt: tried("failed", 9) }, "use"],
    ["renewing failed a while ago", "known", { held: held(700), attempt: tried("failed", 10) }, "use-and-renew"],
    ["the set is almost a day old", "known", { held: held(86_399), attempt: tried("failed", 5) }, "use"],
    ["the set is a day old", "known", { held: held(86_400), attempt: tried("failed", 5) }, "unavailable"],
    ["the set is a day old and a try is due", "known", { held: held(86_400), attempt: tried("failed", 10) }, "fetch"],
    ["another key id, just fetched", "other", { held: held(0), attempt: tried("fruitful", 0) }, "unknown"],
    ["another key id, fetched before", "other", { held: held(1), attempt: tried("fruitful", 1) }, "fetch"],
    ["another key id, from KV", "other", { held: held(1), attempt: null }, "fetch"],
    ["another made-up key id", "other", { held: held(29), attempt: tried("fruitless", 29) }, "unknown"],
    ["another key id after the cool-down", "other", { held: held(30), attempt: tried("fruitless", 30) }, "fetch"],
    ["another key id while the issuer is down", "other", { held: held(60), attempt: tried("failed", 9) }, "unavailable"],
    ["no set, and the issuer is down", "known", { held: null, attempt: tried("failed", 9) }, "unavailable"],
    ["the clock went back", "other", { held: held(-60), attempt: tried("fruitless", -60) }, "fetch"],
    ["the clock went back, and the key is there", "known", { held: held(-60), attempt: tried("fruitful", -60) }, "use-and-renew"],
    ["the clock went back by a day", "known", { held: held(-86_400), attempt: tried("fruitful", -86_400) }, "fetch"],
  ])("when %s", (_name, kid, state, plan) => {
    expect(planFor(kid, state, NOW)).toBe(plan);
  });

  test.each<[string, boolean, KeyState]>([
    ["the set is young", false, { held: held(29), attempt: tried("fruitful", 29) }],
    ["the set is older", true, { held: held(30), attempt: tried("fruitful", 30) }],
    ["the issuer is down", false, { held: held(60), attempt: tried("failed", 9) }],
    ["key ids are being made up", false, { held: held(60), attempt: tried("fruitless", 29) }],
  ])("a wrong signature makes one doubt a key, when %s: %j", (_name, doubts, state) => {
    expect(mayDoubt(state, NOW)).toBe(doubts);
  });

  test.each([
    [null, 600],
    [0, 60],
    [300, 300],
    [86_400, 3600],
  ])("a max-age of %j is fresh for %i seconds", (maxAge, seconds) => {
    expect(freshSeconds(maxAge)).toBe(seconds);
  });
});

describe("the RFC 8414 metadata of an issuer", () => {
  test.each([
    ["https://idp.example", "https://idp.example/.well-known/oauth-authorization-server"],
    ["https://idp.example/", "https://idp.example/.well-known/oauth-authorization-server"],
    ["https://idp.example/tenant/1", "https://idp.example/.well-known/oauth-authorization-server/tenant/1"],
  ])("of %s is between host and path", (issuer, url) => {
    expect(oauthMetadataUrl(issuer)).toBe(url);
  });
});
