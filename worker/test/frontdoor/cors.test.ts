import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ClientAnswer, Edge, policyDocument } from "../support/edge";
import { json } from "../support/internet";
import { expectProblem } from "../support/problems";

const APIGEE = "apigee.acme.example";
const SHOP = "https://shop.acme.example";
const CORS = {
  origins: [SHOP, "http://localhost:5173"],
  request_headers: ["authorization", "content-type"],
  exposed_headers: ["RateLimit", "X-Request-Id"],
  max_age_seconds: 600,
};

function corsHeaders(answer: ClientAnswer): Record<string, unknown> {
  return Object.fromEntries(Object.entries(answer.headers).filter(([name]) => name.startsWith("access-control-")));
}

describe("a contract with pages that may call", () => {
  let edge: Edge;
  beforeAll(async () => {
    edge = await Edge.start({ policy: { ...policyDocument(), cors: CORS } });
  });
  afterAll(() => edge.stop());

  function preflight(path: string, method: string, origin = SHOP): Promise<ClientAnswer> {
    const headers = { origin, "access-control-request-method": method, "access-control-request-headers": "authorization" };
    return edge.send({ method: "OPTIONS", path, headers });
  }

  test("answers a preflight at the edge, without a token, with the methods of the path", async () => {
    const answer = await preflight("/orders/4711", "GET");
    expect(answer.status).toBe(204);
    expect(answer.body).toBe("");
    expect(corsHeaders(answer)).toEqual({
      "access-control-allow-origin": SHOP,
      "access-control-allow-methods": "GET",
      "access-control-allow-headers": "authorization, content-type",
      "access-control-max-age": "600",
    });
    expect(answer.headers.vary).toBe("origin, access-control-request-method, access-control-request-headers");
    expect(edge.internet.calls).toEqual([]);
    expect(await edge.auditLine(answer.headers["x-request-id"])).toMatchObject({
      decision: "allow",
      reason: "ok",
      "http.request.method": "OPTIONS",
      operation: "get-order",
      "http.route": "/orders/{order}",
      "http.response.status_code": 204,
      txn: null,
    });
  });

  test("names only the methods that there are, whatever is asked", async () => {
    const answer = await preflight("/orders", "DELETE");
    expect(answer.status).toBe(204);
    expect(answer.headers["access-control-allow-methods"]).toBe("GET, HEAD, POST");
    expect(await edge.auditLine(answer.headers["x-request-id"])).toMatchObject({ operation: null });
  });

  test.each([
    ["of another page", "https://evil.example"],
    ["of a page that begins alike", `${SHOP}.evil.example`],
    ["of the page by http", "http://shop.acme.example"],
    ["of no page", "null"],
  ])("refuses a preflight %s", async (_name, origin) => {
    const answer = await preflight("/orders", "GET", origin);
    expectProblem(answer, 403, "origin-not-allowed");
    expect(corsHeaders(answer)).toEqual({});
    expect(await edge.auditLine(answer.headers["x-request-id"])).toMatchObject({ decision: "deny", reason: "origin-not-allowed" });
  });

  test("says to a preflight of an unknown path that there is none", async () => {
    expectProblem(await preflight("/nothing", "GET"), 404, "operation-not-found");
  });

  test("an OPTIONS that is no preflight is a method that the path does not have", async () => {
    expectProblem(await edge.send({ method: "OPTIONS" }), 405, "method-not-allowed");
    expectProblem(await edge.send({ method: "OPTIONS", headers: { origin: SHOP } }), 405, "method-not-allowed");
  });

  test("lets the page read answers, and says which headers; what a backend says of it is replaced", async () => {
    edge.internet.on(APIGEE, (_request, response) => {
      json(response, 200, {}, {
        "access-control-allow-origin": "*",
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "x-inner",
        vary: "accept",
      });
    });
    const answer = await edge.sendWithToken({ headers: { origin: SHOP } });
    expect(answer.status).toBe(200);
    expect(corsHeaders(answer)).toEqual({
      "access-control-allow-origin": SHOP,
      "access-control-expose-headers": "RateLimit, X-Request-Id",
    });
    expect(answer.headers.vary).toBe("accept, origin");
    // To whom is not asked here, the answer is the same for caches: none.
    for (const headers of [{}, { origin: "https://evil.example" }]) {
      const other = await edge.sendWithToken({ headers });
      expect(other.status).toBe(200);
      expect(corsHeaders(other)).toEqual({});
      expect(other.headers.vary).toBe("accept, origin");
    }
  });

  test("lets the page read refusals too", async () => {
    const answer = await edge.send({ headers: { origin: "http://localhost:5173" } });
    expectProblem(answer, 401, "no-credentials");
    expect(answer.headers["access-control-allow-origin"]).toBe("http://localhost:5173");
  });
});

test("without such pages nothing is marked, and what a backend says of it is handed on", async () => {
  const edge = await Edge.start();
  edge.internet.on(APIGEE, (_request, response) => {
    json(response, 200, {}, { "access-control-allow-origin": SHOP });
  });
  expect(corsHeaders(await edge.sendWithToken({ headers: { origin: SHOP } }))).toEqual({ "access-control-allow-origin": SHOP });
  const asked = await edge.send({ method: "OPTIONS", headers: { origin: SHOP, "access-control-request-method": "GET" } });
  expectProblem(asked, 405, "method-not-allowed");
  await edge.stop();
});
