import { Buffer } from "node:buffer";
import { once } from "node:events";
import { type IncomingMessage } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type WebSocket } from "ws";
import { Edge, policyDocument } from "../support/edge";
import { expectProblem } from "../support/problems";

const APIGEE = "apigee.acme.example";
const BUYER = { claims: { groups: ["store-buyers", "store-readers"] } };
const MEBIBYTE = Buffer.alloc(1024 * 1024, "x");

let edge: Edge;
beforeAll(async () => {
  // The time limit covers a request's body too, and a busy machine takes its time for megabytes.
  edge = await Edge.start({ policy: { ...policyDocument(), upstream_timeout_seconds: 60 } });
});
afterAll(() => edge.stop());
beforeEach(() => {
  edge.internet.onStream(APIGEE, null);
});

/** The next piece of a body, as text. */
async function piece(message: IncomingMessage): Promise<string> {
  const coming = once(message, "data") as Promise<[Buffer]>;
  message.resume();
  const [chunk] = await coming;
  message.pause();
  return chunk.toString();
}

function collect(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  message.on("data", (chunk: Buffer) => chunks.push(chunk));
  return once(message, "end").then(() => Buffer.concat(chunks).toString());
}

describe("a streamed body", () => {
  test("goes both ways piece by piece: each side hears the other before it has finished", async () => {
    const heard: string[] = [];
    edge.internet.onStream(APIGEE, (request, response) => {
      response.writeHead(200, { "content-type": "text/plain" });
      request.on("data", (chunk: Buffer) => {
        heard.push(chunk.toString());
        response.write(`heard ${chunk.toString()};`);
      });
      request.on("end", () => response.end("end"));
    });
    const { request, answered } = edge.stream({}, edge.maker.make(BUYER));
    request.write("one");
    const answer = await answered;
    expect(answer.statusCode).toBe(200);
    // The request has no end yet, and its answer has begun.
    expect(await piece(answer)).toBe("heard one;");
    const second = piece(answer);
    request.write("two");
    expect(await second).toBe("heard two;");
    const rest = collect(answer);
    answer.resume();
    request.end();
    expect(await rest).toBe("end");
    expect(heard).toEqual(["one", "two"]);
  });

  test("of known length keeps its Content-Length, and every byte", async () => {
    const body = Buffer.from(Array.from({ length: 70_000 }, (_, at) => at % 256));
    let received = { length: "", bytes: "" };
    edge.internet.onStream(APIGEE, (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        received = { length: request.headers["content-length"] ?? "", bytes: Buffer.concat(chunks).toString("hex") };
        response.end();
      });
    });
    const { request, answered } = edge.stream({ headers: { "content-length": String(body.length) } }, edge.maker.make(BUYER));
    request.end(body);
    expect((await answered).statusCode).toBe(200);
    expect(received).toEqual({ length: String(body.length), bytes: body.toString("hex") });
  });

  test("without a length is broken off where it gets too long, and the caller is told", async () => {
    let broken: Promise<unknown> = Promise.resolve();
    edge.internet.onStream(APIGEE, (request) => {
      request.resume();
      broken = once(request, "error");
    });
    const { request, answered } = edge.stream({}, edge.maker.make(BUYER));
    for (let sent = 0; sent < 11; sent++) request.write(MEBIBYTE);
    const answer = await answered;
    const body = await collect(answer);
    expectProblem({ status: answer.statusCode ?? 0, headers: answer.headers, body, bytes: Buffer.from(body) }, 413, "request-too-large");
    request.destroy();
    expect(String(await broken)).toContain("aborted");
    expect(await edge.auditLine(answer.headers["x-request-id"])).toMatchObject({ decision: "deny", "http.response.status_code": 413 });
  });

  test("whose length is announced as too long is refused before it is read", async () => {
    const { request, answered } = edge.stream({ headers: { "content-length": String(11 * 1024 * 1024) } }, edge.maker.make(BUYER));
    request.flushHeaders();
    expect((await answered).statusCode).toBe(413);
    request.on("error", () => undefined).destroy();
  });
});

describe("a WebSocket", () => {
  /** Opens one, and waits for what the server says of the handshake. */
  async function opened(token = edge.maker.make()): Promise<WebSocket> {
    const socket = edge.webSocket("/orders?live=1", ["orders.v1"], {
      authorization: `Bearer ${token}`,
      traceparent: `00-${"5".repeat(32)}-2222222222222222-01`,
    });
    await once(socket, "open");
    return socket;
  }

  test("passes through with its subprotocol, text and bytes both ways, and the code of its end", async () => {
    let handshake: IncomingMessage | null = null;
    let end: Promise<unknown[]> = Promise.resolve([]);
    edge.internet.onWebSocket(APIGEE, (socket, request) => {
      handshake = request;
      socket.on("message", (data: Buffer, isBinary) => {
        socket.send(isBinary ? Buffer.from(data).reverse() : `heard ${data.toString()}`);
      });
      end = once(socket, "close");
    });
    const socket = await opened();
    expect(socket.protocol).toBe("orders.v1");
    socket.send("hello");
    expect(((await once(socket, "message")) as [Buffer])[0].toString()).toBe("heard hello");
    socket.send(Buffer.from([1, 2, 3]));
    expect([...((await once(socket, "message")) as [Buffer])[0]]).toEqual([3, 2, 1]);
    socket.close(4001, "enough");
    expect((await end).map(String)).toEqual(["4001", "enough"]);
    const sent = handshake as unknown as IncomingMessage;
    expect(sent.url).toBe("/orders?live=1");
    expect(sent.headers["txn-token"]).toMatch(/^eyJ/);
    expect(sent.headers.authorization).toBeUndefined();
    edge.maker.made.push(String(sent.headers["txn-token"]));
    expect(await edge.auditLine("5".repeat(32))).toMatchObject({ decision: "allow", "http.response.status_code": 101, upstream_status: 101 });
  });

  test("without a token is refused as any request is", async () => {
    const socket = edge.webSocket("/orders", [], {});
    const [, answer] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
    expect(answer.statusCode).toBe(401);
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    socket.on("error", () => undefined).terminate();
  });

  test("that Apigee does not take is answered with what it says", async () => {
    edge.internet.onStream(APIGEE, (_request, response) => response.writeHead(426, { "x-why": "no" }).end());
    const other = await Edge.start({}, edge);
    other.internet.on(APIGEE, (_request, response) => response.end("plain"));
    const answer = await other.sendWithToken({ headers: { upgrade: "h2c", connection: "upgrade" } });
    // Any other upgrade is dropped, and the request goes on without it.
    expect(answer.status).toBe(426);
    await other.stop({ keepWorld: true });
  });
});

describe("an operation with a smaller limit of its own", () => {
  test("refuses a body by it, with or without a length, and takes one that fits", async () => {
    const document = policyDocument();
    const operations = (document["operations"] as Record<string, unknown>[]).map((row) => ({ ...row, max_body_bytes: 10 }));
    const other = await Edge.start({ policy: { ...document, operations } }, edge);
    const token = other.maker.make(BUYER);
    expect((await other.sendWithToken({ method: "POST", body: "0123456789" }, token)).status).toBe(200);
    expectProblem(await other.sendWithToken({ method: "POST", body: "0123456789a" }, token), 413, "request-too-large");
    const chunked = { method: "POST", body: "0123456789a", headers: { "transfer-encoding": "chunked" } };
    expectProblem(await other.sendWithToken(chunked, token), 413, "request-too-large");
    await other.stop({ keepWorld: true });
  });
});
