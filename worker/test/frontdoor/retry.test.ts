import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type ClientAnswer, Edge } from "../support/edge";
import { breaks, type Handler, hangs, json } from "../support/internet";
import { type Received } from "../support/listener";
import { expectProblem } from "../support/problems";

const APIGEE = "apigee.acme.example";
const BUYER = { claims: { groups: ["store-buyers", "store-readers"] } };

let edge: Edge;
let before = 0;
beforeAll(async () => {
  edge = await Edge.start();
});
afterAll(() => edge.stop());
beforeEach(() => {
  before = edge.internet.to(APIGEE).length;
});

const answersWell: Handler = (request, response) => {
  json(response, 200, { body: request.body });
};

function status(code: number): Handler {
  return (_request, response) => response.writeHead(code, { "content-type": "text/html" }).end("<h1>down</h1>");
}

const doesNotKnowTheKey: Handler = (_request, response) => {
  json(response, 401, { type: "https://developer.acme.example/problems/edge-key-unknown", status: 401 }, { "content-type": "application/problem+json" });
};

/** Apigee answers by these handlers, one after the other. */
function answering(...handlers: readonly Handler[]): void {
  const left = [...handlers];
  edge.internet.on(APIGEE, (request, response) => {
    (left.shift() ?? hangs)(request, response);
  });
}

function reached(): readonly Received[] {
  return edge.internet.to(APIGEE).slice(before);
}

function send(method: string, body?: string): Promise<ClientAnswer> {
  return edge.sendWithToken(body === undefined ? { method } : { method, body }, edge.maker.make(BUYER));
}

describe("a request of which no byte was answered", () => {
  test.each([
    ["GET", breaks],
    ["HEAD", breaks],
    ["GET", status(521)],
    ["GET", status(530)],
  ] as const)("is sent once more: a %s", async (method, fault) => {
    answering(fault, answersWell);
    expect((await send(method)).status).toBe(200);
    const [first, second, ...more] = reached();
    expect(more).toEqual([]);
    // It is the same request, the internal token included.
    expect(second?.headers["txn-token"]).toBe(first?.headers["txn-token"]);
    expect(second?.path).toBe(first?.path);
  });

  test("is not sent a third time", async () => {
    answering(breaks, breaks, answersWell);
    expectProblem(await send("GET"), 503, "backend-unavailable");
    expect(reached()).toHaveLength(2);
  });

  test.each([
    ["without a body", undefined],
    ["with a body", '{"item": 1}'],
  ])("is not sent again where it could do twice: a POST %s", async (_name, body) => {
    answering(breaks, answersWell);
    expectProblem(await send("POST", body), 503, "backend-unavailable");
    expect(reached()).toHaveLength(1);
  });

  test("is not sent again where Apigee had its time", async () => {
    answering(hangs, answersWell);
    expectProblem(await send("GET"), 504, "backend-timeout");
    expect(reached()).toHaveLength(1);
  });
});

describe("a request that was answered", () => {
  test.each([500, 502, 503, 504])("is not sent again, whatever the answer: %d", async (code) => {
    answering(status(code), answersWell);
    expect((await send("GET")).status).toBe(502);
    expect(reached()).toHaveLength(1);
  });

  test("is not sent again where the answer breaks off, and the caller sees that it did", async () => {
    answering((_request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half", () => response.destroy());
    }, answersWell);
    await expect(send("GET")).rejects.toThrow();
    expect(reached()).toHaveLength(1);
  });
});

describe("an internal token whose key Apigee does not know", () => {
  test.each(["GET", "POST"])("is made anew, once, for a %s without a body", async (method) => {
    answering(doesNotKnowTheKey, answersWell);
    const answer = await send(method);
    expect(answer.status).toBe(200);
    const [first, second, ...more] = reached();
    expect(more).toEqual([]);
    expect(second?.headers["txn-token"]).not.toBe(first?.headers["txn-token"]);
    expect(await edge.auditLine(answer.headers["x-request-id"])).toMatchObject({ decision: "allow", upstream_status: 200 });
  });

  test("is a fault of the gateway where the second is not known either", async () => {
    answering(doesNotKnowTheKey, doesNotKnowTheKey, answersWell);
    const answer = await send("GET");
    expectProblem(answer, 502, "gateway-fault");
    expect(reached()).toHaveLength(2);
    expect(await edge.auditLine(answer.headers["x-request-id"])).toMatchObject({
      decision: "error",
      reason: "edge-key-unknown",
      upstream_status: 401,
    });
  });

  test("is not made anew where the body has been sent already", async () => {
    answering(doesNotKnowTheKey, answersWell);
    expectProblem(await send("POST", '{"item": 1}'), 502, "gateway-fault");
    expect(reached()).toHaveLength(1);
  });
});
