import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Edge, type Line, policyDocument } from "../support/edge";
import { json } from "../support/internet";

const APIGEE = "apigee.acme.example";
const READER = { claims: { groups: ["store-readers"] } };

describe("a contract that lets internal tokens be used again", () => {
  let edge: Edge;
  beforeAll(async () => {
    const document = policyDocument();
    edge = await Edge.start({ policy: { ...document, internal: { ...(document["internal"] as object), reuse_seconds: 30 } } });
  });
  afterAll(() => edge.stop());
  beforeEach(() => {
    edge.internet.on(APIGEE, (_request, response) => {
      json(response, 200, {});
    });
  });

  /** Sends a request; the internal token that came to Apigee, and the audit line. */
  async function sent(token: string, path = "/orders"): Promise<{ readonly txnToken: string; readonly line: Line }> {
    const answer = await edge.sendWithToken({ path }, token);
    expect(answer.status).toBe(200);
    const txnToken = edge.internet.to(APIGEE).at(-1)?.headers["txn-token"] ?? "";
    edge.maker.made.push(txnToken);
    return { txnToken, line: await edge.auditLine(answer.headers["x-request-id"]) };
  }

  test("gives a repeated token the same one, of one transaction, and audits each request by its own trace", async () => {
    const token = edge.maker.make({ claims: { ...READER.claims, jti: "never-seen-before" } });
    const first = await sent(token);
    const second = await sent(token);
    expect(second.txnToken).toBe(first.txnToken);
    expect(second.line["txn"]).toBe(first.line["txn"]);
    expect(second.line["kid"]).toBe(first.line["kid"]);
    expect([first.line["auth.cache"], second.line["auth.cache"]]).toEqual(["miss", "reused"]);
    expect(second.line["trace_id"]).not.toBe(first.line["trace_id"]);
  });

  test("gives another operation, and another token of the same caller, one of their own", async () => {
    const token = edge.maker.make(READER);
    const tokens = [
      (await sent(token)).txnToken,
      (await sent(token, "/orders/1")).txnToken,
      (await sent(edge.maker.make({ claims: { ...READER.claims, jti: "another" } }))).txnToken,
    ];
    expect(new Set(tokens).size).toBe(3);
  });

  test("does not give a token again whose key Apigee does not know", async () => {
    const token = edge.maker.make(READER);
    const { txnToken } = await sent(token);
    const type = "https://developer.acme.example/problems/edge-key-unknown";
    edge.internet.on(APIGEE, (request, response) => {
      if (request.headers["txn-token"] !== txnToken) json(response, 200, {});
      else json(response, 401, { type }, { "content-type": "application/problem+json" });
    });
    const renewed = await sent(token);
    expect(renewed.txnToken).not.toBe(txnToken);
    expect((await sent(token)).txnToken).toBe(renewed.txnToken);
  });

  test("still asks for the operation's role each time", async () => {
    const token = edge.maker.make(READER);
    await sent(token);
    const answer = await edge.sendWithToken({ method: "POST" }, token);
    expect(answer.status).toBe(403);
  });
});

test("a contract that does not gives each request a transaction of its own", async () => {
  const edge = await Edge.start();
  const token = edge.maker.make(READER);
  for (let count = 0; count < 3; count++) expect((await edge.sendWithToken({}, token)).status).toBe(200);
  expect(new Set(edge.internet.to(APIGEE).map(({ headers }) => headers["txn-token"])).size).toBe(3);
  await edge.stop();
});
