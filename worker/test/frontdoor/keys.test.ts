import { afterEach, describe, expect, test, vi } from "vitest";
import { Edge, type EdgeOptions } from "../support/edge";
import { answers, breaks, hangs, type Handler, json } from "../support/internet";
import { expectProblem } from "../support/problems";
import { newKey, publishedJwk } from "../support/keys";
import { sealed, unsealed } from "../support/seal";
import { TokenMaker } from "../support/tokens";

const METADATA = "acme.okta.example/oauth2/default/.well-known/openid-configuration";
const KEYS = "acme.okta.example/oauth2/default/v1/keys";
const ISSUER = "https://acme.okta.example/oauth2/default";

const ENTRY = "issuer-keys.v1.workforce";
// The edge gives a copy 50 ms and goes on without it, which a busy machine may not keep.
const BUSY = { retry: 4 };

const running: Edge[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((edge) => edge.stop()));
});

async function start(options?: EdgeOptions): Promise<Edge> {
  const edge = await Edge.start(options);
  running.push(edge);
  return edge;
}

/** Replaces the isolate by a new one in the same world. */
async function restart(edge: Edge): Promise<Edge> {
  running.splice(running.indexOf(edge), 1);
  await edge.stop({ keepWorld: true });
  const fresh = await Edge.start({}, edge);
  running.push(fresh);
  return fresh;
}

function keyFetches(edge: Edge): number {
  return edge.internet.to("acme.okta.example", "/oauth2/default/v1/keys").length;
}

const redirect: Handler = (_request, response) => {
  response.writeHead(302, { location: "https://evil.example/keys" }).end();
};

describe("an issuer whose keys cannot be had", () => {
  const faults: readonly (readonly [string, string, Handler, string])[] = [
    ["whose metadata is gone", METADATA, (_request, response) => { json(response, 404, {}); }, "not-found"],
    ["whose metadata answers 500", METADATA, (_request, response) => { json(response, 500, {}); }, "status"],
    ["whose metadata breaks off", METADATA, breaks, "network"],
    ["whose metadata is another issuer's", METADATA, answers({ issuer: `${ISSUER}/`, jwks_uri: `https://${KEYS}` }), "wrong-issuer"],
    ["whose metadata names no keys", METADATA, answers({ issuer: ISSUER }), "no-jwks-uri"],
    ["whose keys are not behind https", METADATA, answers({ issuer: ISSUER, jwks_uri: `http://${KEYS}` }), "not-https"],
    ["whose keys are redirected", KEYS, redirect, "status"],
    ["whose keys are a page", KEYS, (_request, response) => { response.end("<h1>Welcome</h1>"); }, "not-json"],
    ["whose keys are an array", KEYS, answers([]), "not-json"],
    ["whose key set is empty", KEYS, answers({ keys: [] }), "no-usable-keys"],
    ["whose keys fill more than 64 KiB", KEYS, answers({ keys: [], padding: "x".repeat(70_000) }), "too-large"],
  ];

  test.each(faults)("%s is a 503, never a 401", async (_name, place, handler, cause) => {
    const edge = await start();
    edge.internet.on(place, handler);
    const answer = await edge.sendWithToken();
    expectProblem(answer, 503, "keys-unavailable");
    expect(answer.headers["retry-after"]).toBe("10");
    expect(await edge.event("keys-fetch-failed")).toMatchObject({ issuer: "workforce", cause });
    expect((await edge.auditLine(answer.headers["x-request-id"]))["decision"]).toBe("error");
    // A token that can be refused without keys still is, and the other issuers go on.
    expectProblem(await edge.sendWithToken({}, edge.maker.make({ header: { alg: "none" } })), 401, "invalid-token");
    expect((await edge.sendWithToken({}, edge.maker.make({ issuer: "partners" }))).status).toBe(200);
    expect(edge.internet.to("evil.example")).toEqual([]);
  });

  test("is asked once in a cool-down, whatever comes", async () => {
    const edge = await start();
    edge.internet.on(KEYS, (_request, response) => { json(response, 500, {}); });
    const tokens = Array.from({ length: 20 }, (_, index) => edge.maker.make({ header: { kid: `made-up-${index}` } }));
    const statuses = await Promise.all(tokens.map(async (token) => (await edge.sendWithToken({}, token)).status));
    expect(new Set(statuses)).toEqual(new Set([503]));
    expect(keyFetches(edge)).toBe(1);
  });

  test("that hangs is given up, and does not hold up another issuer meanwhile", async () => {
    const edge = await start();
    edge.internet.on(KEYS, hangs);
    const pending = edge.sendWithToken();
    expect((await edge.sendWithToken({}, edge.maker.make({ issuer: "machines" }))).status).toBe(200);
    expectProblem(await pending, 503, "keys-unavailable");
    expect(await edge.event("keys-fetch-failed")).toMatchObject({ cause: "timeout" });
  });
});

describe("keys in an isolate", () => {
  test("are fetched once for all requests that want them at the same time", async () => {
    const edge = await start();
    const answersOf = await Promise.all(Array.from({ length: 30 }, () => edge.sendWithToken()));
    expect(new Set(answersOf.map(({ status }) => status))).toEqual(new Set([200]));
    expect(keyFetches(edge)).toBe(1);
  });

  test("go on being fetched when the client that began it hangs up", async () => {
    const edge = await start();
    let finish = (): void => undefined;
    let reached = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (reached = resolve));
    edge.internet.on(KEYS, (_request, response) => {
      finish = () => {
        json(response, 200, { keys: edge.maker.keys.workforce.map(publishedJwk) });
      };
      reached();
    });
    const gone = edge.sendWithToken();
    await arrived;
    edge.hangUp();
    await expect(gone).rejects.toThrow();
    // By the time these are answered, the runtime has seen that the client is gone.
    await edge.send();
    await edge.send();
    const waiting = edge.sendWithToken();
    finish();
    expect((await waiting).status).toBe(200);
    expect(keyFetches(edge)).toBe(1);
  });

  test("cost no question to anybody once they are there, for a token that was seen before or not", async () => {
    const edge = await start();
    await edge.sendWithToken();
    await edge.kv.written(ENTRY);
    const asked = (): readonly number[] => [edge.internet.calls.length, edge.kv.reads.length, edge.cache.reads.length];
    const [calls = 0, ...before] = asked();
    const repeated = edge.maker.make();
    for (let round = 0; round < 5; round++) {
      await edge.sendWithToken({}, repeated);
      await edge.sendWithToken({}, edge.maker.make({ claims: { jti: `AT.${round}` } }));
    }
    // Ten requests, which reached Apigee.
    expect(asked()).toEqual([calls + 10, ...before]);
    expect([...edge.kv.entries.keys()]).toEqual([ENTRY]);
  });

  test("made-up key ids are 401 and cost one fetch in a cool-down", async () => {
    const edge = await start();
    await edge.sendWithToken();
    const tokens = Array.from({ length: 40 }, (_, index) => edge.maker.make({ header: { kid: `made-up-${index}` } }));
    const got = await Promise.all(tokens.map((token) => edge.sendWithToken({}, token)));
    expect(new Set(got.map(({ status }) => status))).toEqual(new Set([401]));
    expect(keyFetches(edge)).toBeLessThanOrEqual(2);
    expect((await edge.sendWithToken()).status).toBe(200);
  });

  test("a key that the issuer has just begun to use is fetched for the first token that names it", BUSY, async () => {
    const edge = await start();
    const next = newKey("okta-2", "RS256");
    const rotated = new TokenMaker({ ...edge.maker.keys, workforce: [next] });
    // An isolate that already holds a fresh set, from KV: its own fetches are still to come.
    const [old] = edge.maker.keys.workforce;
    const kept = { issuer: ISSUER, fetched_at: Math.floor(Date.now() / 1000), fresh_seconds: 600, keys: [old].map((key) => publishedJwk(key ?? next)) };
    edge.kv.entries.set("issuer-keys.v1.workforce", { value: await sealed("issuer-keys.v1.workforce", kept), ttl: 600 });
    edge.internet.on(KEYS, answers({ keys: [publishedJwk(next)] }));
    expect((await edge.sendWithToken()).status).toBe(200);
    expect(keyFetches(edge)).toBe(0);
    expect((await edge.sendWithToken({}, rotated.make())).status).toBe(200);
    // What a successful fetch no longer lists is over at once.
    expectProblem(await edge.sendWithToken(), 401, "invalid-token");
    expect(keyFetches(edge)).toBe(1);
  });
});

describe("the copy of an issuer's keys in the data centre's cache", () => {
  /** The one entry, once it is there. */
  async function copy(edge: Edge): Promise<{ readonly url: string; readonly value: string; readonly control: string }> {
    await edge.kv.written(ENTRY);
    const [url = "", entry] = [...edge.cache.entries].find(([key]) => key.includes("workforce")) ?? [];
    return { url, value: entry?.value ?? "", control: entry?.control ?? "" };
  }

  test("is used by a new isolate before KV and the issuer are asked", BUSY, async () => {
    const edge = await start();
    await edge.sendWithToken();
    expect((await copy(edge)).control).toBe("max-age=600");
    edge.kv.entries.clear();
    const fresh = await restart(edge);
    const before = fresh.kv.reads.length;
    expect((await fresh.sendWithToken()).status).toBe(200);
    expect(fresh.kv.reads.slice(before)).not.toContain(ENTRY);
    expect(keyFetches(fresh)).toBe(1);
  });

  test("spares the issuer a question about a key that a neighbour has fetched", BUSY, async () => {
    const edge = await start();
    const [old] = edge.maker.keys.workforce.map(publishedJwk);
    const next = newKey("okta-2", "RS256");
    const rotated = new TokenMaker({ ...edge.maker.keys, workforce: [next] });
    const now = Math.floor(Date.now() / 1000);
    const kept = { issuer: ISSUER, fetched_at: now - 5, fresh_seconds: 600, keys: [old] };
    edge.kv.entries.set(ENTRY, { value: await sealed(ENTRY, kept), ttl: 600 });
    expect((await edge.sendWithToken()).status).toBe(200);
    const [url = ""] = edge.cache.reads.filter((key) => key.includes("workforce"));
    const neighbours = { ...kept, fetched_at: now, keys: [publishedJwk(next)] };
    edge.cache.entries.set(url, { value: await sealed(ENTRY, neighbours), control: "" });
    expect((await edge.sendWithToken({}, rotated.make())).status).toBe(200);
    expect(keyFetches(edge)).toBe(0);
    // The neighbour's set is the newer one: what it no longer lists is over.
    edge.internet.on(KEYS, answers({ keys: [publishedJwk(next)] }));
    await vi.waitFor(async () => {
      expectProblem(await edge.sendWithToken(), 401, "invalid-token");
    });
  });

  test("that another Worker planted is left alone", async () => {
    const edge = await start();
    await edge.sendWithToken();
    const { url } = await copy(edge);
    const forger = newKey("okta-1", "RS256");
    const planted = { issuer: ISSUER, fetched_at: Math.floor(Date.now() / 1000), fresh_seconds: 600, keys: [publishedJwk(forger)] };
    edge.cache.entries.set(url, { value: JSON.stringify({ value: planted, seal: "AAAA" }), control: "" });
    const fresh = await restart(edge);
    const forged = new TokenMaker({ ...edge.maker.keys, workforce: [forger] }).make();
    expectProblem(await fresh.sendWithToken({}, forged), 401, "invalid-token");
    expect((await fresh.sendWithToken()).status).toBe(200);
  });

  test.each(["down", "slow"] as const)("is not missed when the cache is %s", async (mode) => {
    const edge = await start();
    edge.cache.mode = mode;
    expect((await edge.sendWithToken()).status).toBe(200);
  });
});

describe("the copy of an issuer's keys in KV", () => {
  test("lets a new isolate go on while the issuer is down", BUSY, async () => {
    const edge = await start();
    await edge.sendWithToken();
    const { ttl, value } = await edge.kv.written("issuer-keys.v1.workforce");
    expect(ttl).toBe(24 * 60 * 60);
    expect(value).not.toContain('"d"');
    edge.internet.on(METADATA, breaks);
    const fresh = await restart(edge);
    expect((await fresh.sendWithToken()).status).toBe(200);
    expect(keyFetches(fresh)).toBe(1);
  });

  test("past its freshness is used at once and renewed behind the caller's back", BUSY, async () => {
    const edge = await start();
    await edge.sendWithToken();
    const { key, value, ttl } = await edge.kv.written("issuer-keys.v1.workforce");
    const old = { ...unsealed(value), fetched_at: Math.floor(Date.now() / 1000) - 7200 };
    edge.kv.entries.set(key, { value: await sealed(key, old), ttl });
    edge.cache.entries.clear();
    const fresh = await restart(edge);
    expect((await fresh.sendWithToken()).status).toBe(200);
    expect(await fresh.event("keys-fetched")).toMatchObject({ issuer: "workforce" });
    expect(keyFetches(fresh)).toBe(2);
  });

  test("of more than a day is not used", async () => {
    const edge = await start();
    await edge.sendWithToken();
    const { key, value, ttl } = await edge.kv.written("issuer-keys.v1.workforce");
    const old = { ...unsealed(value), fetched_at: Math.floor(Date.now() / 1000) - 90_000 };
    edge.kv.entries.set(key, { value: await sealed(key, old), ttl });
    edge.cache.entries.clear();
    edge.internet.on(METADATA, breaks);
    const fresh = await restart(edge);
    expectProblem(await fresh.sendWithToken(), 503, "keys-unavailable");
  });

  test.each(["another issuer's", "no JSON", "without times", "without a seal", "with another entry's seal"])("that is %s is left alone", async (kind) => {
    const edge = await start();
    const [key] = edge.maker.keys.workforce.map(publishedJwk);
    const times = { fetched_at: Math.floor(Date.now() / 1000), fresh_seconds: 600 };
    const entries: Readonly<Record<string, string>> = {
      "another issuer's": await sealed(ENTRY, { issuer: "https://evil.example", keys: [key], ...times }),
      "no JSON": "<h1>",
      "without times": await sealed(ENTRY, { issuer: ISSUER, keys: [key] }),
      "without a seal": JSON.stringify({ issuer: ISSUER, keys: [key], ...times }),
      "with another entry's seal": await sealed("issuer-keys.v1.partners", { issuer: ISSUER, keys: [key], ...times }),
    };
    edge.kv.entries.set(ENTRY, { value: entries[kind] ?? "", ttl: 600 });
    expect((await edge.sendWithToken()).status).toBe(200);
    expect(keyFetches(edge)).toBe(1);
  });

  test.each(["down", "slow"] as const)("is not missed when KV is %s", async (mode) => {
    const edge = await start();
    edge.kv.mode = mode;
    expect((await edge.sendWithToken()).status).toBe(200);
  });

  test("is written for every issuer by the cron trigger, and one that is down does not stop the others", async () => {
    const edge = await start();
    edge.internet.on(KEYS, breaks);
    await edge.cron();
    await edge.kv.written("issuer-keys.v1.partners");
    await edge.kv.written("issuer-keys.v1.machines");
    expect(edge.kv.entries.has(ENTRY)).toBe(false);
    expect(edge.audit).toEqual([]);
  });
});
