import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ClientAnswer, Edge } from "../support/edge";
import { expectProblem } from "../support/problems";

const APIGEE = "apigee.acme.example";
const STOREFRONT = { claims: { groups: ["store-readers", "store-buyers"] } };

describe("the limit of a product at the edge", () => {
  let edge: Edge;
  beforeAll(async () => {
    edge = await Edge.start({ limit: 2 });
  });
  afterAll(() => edge.stop());

  function listOrders(issuer: "workforce" | "partners" | "machines" = "workforce"): Promise<ClientAnswer> {
    return edge.sendWithToken({}, edge.maker.make(issuer === "workforce" ? STOREFRONT : { issuer }));
  }

  test("refuses what is over it before Apigee is asked, and says when to come back", async () => {
    expect((await listOrders()).status).toBe(200);
    expect((await listOrders()).status).toBe(200);
    const before = edge.internet.to(APIGEE).length;
    const answer = await listOrders();
    expectProblem(answer, 429, "quota-exceeded");
    const wait = Number(answer.headers["retry-after"]);
    expect(wait).toBeGreaterThanOrEqual(1);
    expect(wait).toBeLessThanOrEqual(60);
    expect(answer.headers["ratelimit-policy"]).toBe('"orders";q=60;w=60');
    expect(answer.headers["ratelimit"]).toBe(`"orders";r=0;t=${wait}`);
    expect(JSON.parse(answer.body)).toMatchObject({ "violated-policies": ["orders"] });
    expect(answer.headers["www-authenticate"]).toBeUndefined();
    expect(edge.internet.to(APIGEE)).toHaveLength(before);
    expect(await edge.auditLine(answer.headers["x-request-id"])).toMatchObject({
      decision: "deny",
      reason: "quota-exceeded",
      operation: "list-orders",
      client_id: "0oa1storefront",
      txn: null,
      upstream_status: null,
    });
  });

  test("counts each consumer by itself", async () => {
    expect((await listOrders("partners")).status).toBe(200);
    expect((await listOrders("machines")).status).toBe(200);
  });

  test("does not count what is refused for another reason", async () => {
    for (let sent = 0; sent < 3; sent++) {
      const reader = edge.maker.make({ issuer: "machines", claims: { scope: "nothing" } });
      expectProblem(await edge.sendWithToken({}, reader), 403, "insufficient-role");
    }
    expect((await listOrders("machines")).status).toBe(200);
    expect((await listOrders("machines")).status).toBe(429);
  });
});

test.each([
  ["broken", "error"],
  ["late", "late"],
] as const)("a limiter that is %s keeps nobody out, for Apigee counts as well", async (limit, cause) => {
  const edge = await Edge.start({ limit });
  expect((await edge.sendWithToken()).status).toBe(200);
  expect(await edge.event("limiter-failed")).toMatchObject({ cause });
  await edge.stop();
});
