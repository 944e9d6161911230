import { afterEach, describe, expect, test } from "vitest";
import { Edge, type EdgeOptions, type Line, policyDocument } from "../support/edge";
import { leaks } from "../support/leaks";

const MODEL = "@cf/meta/llama-3.1-8b-instruct-fast";
/** All that a model may be told, in the order it is written. */
const FEATURES = ["method", "route", "operation", "product", "decision", "reason", "status", "client_id", "hour", "seen", "refused"];

const running: Edge[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((edge) => edge.stop()));
});

async function start(ai: EdgeOptions["ai"] & string, perMinute = 100): Promise<Edge> {
  const edge = await Edge.start({ policy: { ...policyDocument(), ai_hint: { model: MODEL, per_minute: perMinute } }, ai });
  running.push(edge);
  return edge;
}

/** What the model was told of a request. */
function toldTo(line: Line): Line {
  const { messages } = line["inputs"] as { readonly messages: readonly { readonly role: string; readonly content: string }[] };
  return JSON.parse(messages.find(({ role }) => role === "user")?.content ?? "") as Line;
}

describe("a model", () => {
  test("is asked about a request, and its hint is an event beside the one audit line", async () => {
    const edge = await start("up");
    const answer = await edge.sendWithToken();
    expect(answer.status).toBe(200);
    const traceId = answer.headers["x-request-id"];
    const { ts, ...hint } = await edge.event("hint");
    expect(ts).toMatch(/Z$/);
    expect(hint).toEqual({ event: "hint", trace_id: traceId, label: "probing", score: 0.75 });
    await edge.auditLine(traceId);
    expect(edge.audit).toHaveLength(1);
    expect(JSON.stringify(edge.audit)).not.toContain("probing");
  });

  test("is told the allow-list and nothing else, and the counts of the application's minute", async () => {
    const edge = await start("up");
    const headers = { "user-agent": "a-user-agent-to-be-told-of", "cf-connecting-ip": "203.0.113.77" };
    await edge.sendWithToken({ path: "/orders/an-order-of-ada?secret=query", headers });
    await edge.send({ path: "/nowhere/that-is-known", headers });
    await edge.event("model-asked", 1);
    const [allowed, refused] = edge.events("model-asked");
    if (allowed === undefined || refused === undefined) throw new Error("not asked");
    expect(allowed["model"]).toBe(MODEL);
    expect(Object.keys(toldTo(allowed))).toEqual(FEATURES);
    const { hour, ...told } = toldTo(allowed);
    expect(Array.from({ length: 24 }, (_, at) => at)).toContain(hour);
    expect(told).toEqual({
      method: "GET",
      route: "/orders/{order}",
      operation: "get-order",
      product: "orders",
      decision: "allow",
      reason: "ok",
      status: 200,
      client_id: "0oa1storefront",
      seen: 1,
      refused: 0,
    });
    expect(toldTo(refused)).toMatchObject({ route: null, decision: "deny", reason: "operation-not-found", client_id: null, seen: 1, refused: 1 });
    const asked = edge.events("model-asked").map((line) => JSON.stringify(line)).join("\n");
    for (const untold of ["an-order-of-ada", "query", "nowhere", "user-agent", "203.0.113.77", "ada@acme.example"]) expect(asked).not.toContain(untold);
    expect(leaks(edge.maker.made, edge.told())).toEqual([]);
  });

  test("may write its hint as a text", async () => {
    const edge = await start("text");
    await edge.sendWithToken();
    expect(await edge.event("hint")).toMatchObject({ label: "ordinary", score: 1 });
  });

  test("is asked no more often than the contract says", async () => {
    const edge = await start("up", 2);
    const begun = new Date().getUTCMinutes();
    for (let sent = 0; sent < 6; sent += 1) await edge.send();
    const minutes = 1 + Number(new Date().getUTCMinutes() !== begun);
    // Written to the same stream, each before its request's question to the model.
    await edge.event("data-point", 5);
    expect(edge.events("model-asked").length).toBeGreaterThanOrEqual(2);
    expect(edge.events("model-asked").length).toBeLessThanOrEqual(2 * minutes);
  });

  test("is not asked unless the contract names one", async () => {
    const edge = await Edge.start();
    running.push(edge);
    const answer = await edge.sendWithToken();
    await edge.auditLine(answer.headers["x-request-id"]);
    await edge.event("data-point");
    expect(edge.events("model-asked")).toEqual([]);
  });
});

describe("a caller does not notice a model", () => {
  test.each([
    ["broken", "error"],
    ["rejects", "error"],
    ["chatty", "not-a-hint"],
    ["of a label of its own", "not-a-hint"],
    ["of a score out of range", "not-a-hint"],
    ["of a score that is no number", "not-a-hint"],
    ["oversized", "not-a-hint"],
    ["with more in it", "not-a-hint"],
    ["nothing", "not-a-hint"],
    ["silent", "late"],
  ] as const)("that is %s, which is counted as %s", async (ai, cause) => {
    const edge = await start(ai);
    const answer = await edge.sendWithToken();
    expect(answer.status).toBe(200);
    const refused = await edge.send();
    expect(refused.status).toBe(401);
    const traceId = answer.headers["x-request-id"];
    const failed = [await edge.event("hint-failed"), await edge.event("hint-failed", 1)];
    expect(Object.keys(failed[0] ?? {})).toEqual(["ts", "event", "trace_id", "cause", "failed"]);
    expect(failed[0]).toMatchObject({ trace_id: traceId, cause, failed: 1 });
    expect(failed[1]).toMatchObject({ trace_id: refused.headers["x-request-id"], cause, failed: 2 });
    expect(edge.events("hint")).toEqual([]);
    expect(await edge.auditLine(traceId)).toMatchObject({ decision: "allow", reason: "ok" });
    await edge.audited(2);
    expect(edge.audit).toHaveLength(2);
  });

  // A machine that stands still for three seconds would see the model given up first.
  test("that never answers: the answer has come before the model was given up", { retry: 4 }, async () => {
    const edge = await start("silent");
    const answer = await edge.sendWithToken();
    expect(answer.status).toBe(200);
    await edge.event("model-asked");
    expect(edge.events("hint-failed")).toEqual([]);
  });
});
