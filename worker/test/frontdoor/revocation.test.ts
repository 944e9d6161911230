import { afterEach, describe, expect, test } from "vitest";
import { type ClientAnswer, Edge } from "../support/edge";
import { answers } from "../support/internet";
import { expectProblem } from "../support/problems";
import { type Recipe } from "../support/tokens";

// The edge gives KV 50 ms and goes on without it, which a busy machine may not keep.
const BUSY = { retry: 4 };
const LIST = "revocations.v1";
const FUTURE = 4_102_444_800;

const running: Edge[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((edge) => edge.stop()));
});

/** Starts a fresh isolate that finds this list in KV. */
async function start(list: unknown): Promise<Edge> {
  const edge = await Edge.start({ kv: list === undefined ? {} : { [LIST]: JSON.stringify(list) } });
  running.push(edge);
  return edge;
}

function revoked(by: string, value: string, changed: Readonly<Record<string, unknown>> = {}): unknown {
  return { seq: 1, entries: [{ issuer: "workforce", by, value, until: FUTURE, ...changed }] };
}

function send(edge: Edge, recipe: Recipe): Promise<ClientAnswer> {
  return edge.sendWithToken({}, edge.maker.make(recipe));
}

describe("a token on the revocation list", () => {
  test.each([
    ["jti", "AT.k3sJ", { claims: { jti: "AT.other" } }],
    ["subject", "ada@acme.example", { claims: { sub: "bob@acme.example" } }],
    ["client", "0oa1storefront", { issuer: "machines" }],
    ["kid", "okta-1", { issuer: "machines" }],
  ] as const)("is refused by its %s, and others are not", BUSY, async (by, value, other) => {
    const edge = await start(revoked(by, value));
    expectProblem(await send(edge, {}), 401, "invalid-token", "has been revoked");
    expect((await send(edge, other)).status).toBe(200);
  });

  test("is refused where its issuer was asked about it too", BUSY, async () => {
    const edge = await start(revoked("subject", "ada@acme.example"));
    const active = { active: true, client_id: "0oa1storefront", aud: "api://acme-store", sub: "ada@acme.example", exp: FUTURE };
    edge.internet.on("acme.okta.example/oauth2/default/v1/introspect", answers({ ...active, groups: ["store-readers"] }));
    expectProblem(await edge.sendWithToken({}, "00opaque-token-of-okta"), 401, "invalid-token", "has been revoked");
  });

  test.each([
    ["of another issuer's", revoked("subject", "ada@acme.example", { issuer: "machines" })],
    ["of another kind", revoked("client", "ada@acme.example")],
    ["that has ended", revoked("subject", "ada@acme.example", { until: 1 })],
    ["of which it only is the beginning", revoked("subject", "ada@acme.example2")],
  ])("is not one by an entry %s", async (_name, list) => {
    expect((await send(await start(list), {})).status).toBe(200);
  });
});

describe("the revocation list", () => {
  test.each([
    ["is not there", undefined],
    ["is empty", { seq: 4, entries: [] }],
  ])("that %s refuses nobody", async (_name, list) => {
    expect((await send(await start(list), {})).status).toBe(200);
  });

  test.each([
    ["no object", "revoked"],
    ["without a sequence number", { entries: [] }],
    ["with an unknown kind", revoked("issuer", "x")],
    ["with more entries than are read", { seq: 1, entries: Array.from({ length: 5_001 }, (_, n) => ({ issuer: "workforce", by: "jti", value: `${n}`, until: FUTURE })) }],
  ])("that is %s is told of and fails no request", BUSY, async (_name, list) => {
    const edge = await start(list);
    expect((await send(edge, {})).status).toBe(200);
    if (typeof list === "object") expect(await edge.event("revocations-unreadable")).toHaveProperty("cause");
  });

  test.each(["down", "slow"] as const)("fails no request when KV is %s", async (mode) => {
    const edge = await start(revoked("subject", "ada@acme.example"));
    edge.kv.mode = mode;
    expect((await send(edge, {})).status).toBe(200);
  });

  test("is read once for many requests", async () => {
    const edge = await start({ seq: 1, entries: [] });
    await Promise.all(Array.from({ length: 10 }, () => send(edge, {})));
    for (let round = 0; round < 5; round++) await send(edge, {});
    expect(edge.kv.reads.filter((key) => key === LIST)).toHaveLength(1);
  });
});
