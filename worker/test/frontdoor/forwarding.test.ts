import { Buffer } from "node:buffer";
import { gunzipSync, gzipSync } from "node:zlib";
import { importJWK, jwtVerify } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import auditSchema from "../data/audit_schema.json";
import upstream from "../data/upstream.json";
import { Edge, type Line, policyDocument } from "../support/edge";
import { breaks, hangs, json } from "../support/internet";
import { type Received } from "../support/listener";
import { expectProblem } from "../support/problems";

const APIGEE = "apigee.acme.example";

let edge: Edge;
beforeAll(async () => {
  edge = await Edge.start();
});
afterAll(() => edge.stop());
beforeEach(() => {
  edge.internet.on(APIGEE, (request, response) => {
    json(response, 200, { path: request.path, method: request.method, body: request.body });
  });
});

function lastAtApigee(): Received {
  const last = edge.internet.to(APIGEE).at(-1);
  if (last === undefined) throw new Error("nothing reached Apigee");
  return last;
}

describe("the internal token", () => {
  test("says who calls for what, signed by the ring", async () => {
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const before = Math.floor(Date.now() / 1000);
    const answer = await edge.sendWithToken({ headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` } });
    expect(answer.status).toBe(200);
    const txnToken = lastAtApigee().headers["txn-token"] ?? "";
    edge.maker.made.push(txnToken);
    const key = await importJWK(edge.ring.publicJwk, "ES256");
    const { payload, protectedHeader } = await jwtVerify(txnToken, key);
    const line = await edge.auditLine(traceId);
    expect(protectedHeader).toEqual({ alg: "ES256", kid: edge.ring.publicJwk.kid, typ: "txntoken+jwt" });
    expect(payload).toEqual({
      iss: "https://api.acme.example",
      aud: "https://apigee.acme.example/store",
      iat: payload.iat,
      exp: (payload.iat ?? 0) + 60,
      txn: line["txn"],
      sub: "ada@acme.example",
      scope: "list-orders",
      client_id: "0oa1storefront",
      roles: ["reader"],
      product: "orders",
      req_wl: "portcullis-edge/test",
      tctx: {
        operation: "list-orders",
        contract: "3f9c0a1b2c3d",
        ring_seq: 7,
        issuer: "workforce",
        sub_hash: line["user.hash"],
      },
    });
    expect(payload.iat).toBeGreaterThanOrEqual(before);
    expect(payload.iat).toBeLessThanOrEqual(Math.floor(Date.now() / 1000));
    expect(payload["txn"]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test("names the consumer as Apigee knows it", async () => {
    await edge.sendWithToken({}, edge.maker.make({ issuer: "partners" }));
    const [, claims = ""] = (lastAtApigee().headers["txn-token"] ?? "").split(".");
    expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toMatchObject({
      client_id: "4711-partners_apps_googleusercontent_example",
    });
  });
});

describe("headers", () => {
  test("that could pass for an identity never get past the edge, in whatever spelling", async () => {
    const forged = {
      "Txn-Token": "forged",
      txn_token: "forged",
      "X-Identity-Subject": "forged",
      "X-IDENTITY-ROLES": "forged",
      X_Identity_Client: "forged",
      "X-Apigee-Message-Id": "forged",
      "X-User-Identity": "forged",
      "X-Forwarded-For": "forged",
      "X-Forwarded-Host": "forged",
      Forwarded: "for=forged",
      "X-Original-URL": "/forged",
      "X-HTTP-Method-Override": "DELETE",
      "X-Goog-Authenticated-User-Email": "forged",
      "Proxy-Authorization": "Basic forged",
    };
    await edge.sendWithToken({ headers: forged });
    const sent = lastAtApigee().rawHeaders;
    expect(sent.filter(([, value]) => /forged|DELETE/.test(value))).toEqual([]);
    expect(sent.filter(([name]) => name === "txn-token")).toHaveLength(1);
    expect(sent.map(([name]) => name)).not.toContain("authorization");
  });

  test("of the connection end at the edge, those that Connection names included", async () => {
    await edge.sendWithToken({ headers: { connection: "keep-alive, X-Once", "x-once": "1", te: "trailers", "x-twice": "2" } });
    const sent = lastAtApigee().headers;
    expect(sent["x-once"]).toBeUndefined();
    expect(sent["te"]).toBeUndefined();
    expect(sent["x-twice"]).toBe("2");
  });

  test("of the gateway's own do not come back, others do", async () => {
    edge.internet.on(APIGEE, (_request, response) => {
      response.setHeader("set-cookie", ["a=1", "b=2"]);
      json(response, 201, {}, {
        "x-apigee-fault-code": "x",
        "x-identity-subject": "ada",
        "txn-token": "t",
        "x-request-id": "theirs",
        "ratelimit": '"minute";r=59;t=30',
        location: "/orders/1",
        etag: '"1"',
      });
    });
    const answer = await edge.sendWithToken({ method: "POST" }, edge.maker.make({ claims: { groups: ["store-buyers"] } }));
    expect(answer.status).toBe(201);
    expect(answer.headers).toMatchObject({ location: "/orders/1", etag: '"1"', ratelimit: '"minute";r=59;t=30' });
    expect(answer.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
    expect(Object.keys(answer.headers).filter((name) => /^(?:x-apigee-|x-identity-|txn-)/.test(name))).toEqual([]);
    expect(answer.headers["x-request-id"]).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe("the trace", () => {
  test("goes on with the edge's own span as the parent", async () => {
    const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, tracestate: "congo=t61rcWkgMzE" };
    const answer = await edge.sendWithToken({ headers });
    const line = await edge.auditLine(traceId);
    expect(answer.headers["x-request-id"]).toBe(traceId);
    expect(line["parent_id"]).toBe("00f067aa0ba902b7");
    expect(lastAtApigee().headers["traceparent"]).toBe(`00-${traceId}-${String(line["span_id"])}-01`);
    expect(lastAtApigee().headers["tracestate"]).toBe("congo=t61rcWkgMzE");
  });

  test("begins anew where the client's is invalid, and its state is dropped", async () => {
    const headers = { traceparent: "00-00000000000000000000000000000000-00f067aa0ba902b7-01", tracestate: "a=1" };
    const answer = await edge.sendWithToken({ headers });
    expect(answer.status).toBe(200);
    expect(lastAtApigee().headers["traceparent"]).toMatch(`00-${String(answer.headers["x-request-id"])}-`);
    expect(lastAtApigee().headers["tracestate"]).toBeUndefined();
    expect((await edge.auditLine(answer.headers["x-request-id"]))["parent_id"]).toBeNull();
  });
});

describe("the body", () => {
  test("of a request reaches Apigee unchanged", async () => {
    const body = JSON.stringify({ items: ["ä".repeat(50_000)] });
    const token = edge.maker.make({ claims: { groups: ["store-buyers"] } });
    const answer = await edge.sendWithToken({ method: "POST", body, headers: { "content-type": "application/json" } }, token);
    expect(JSON.parse(answer.body)).toMatchObject({ method: "POST", body });
    expect(lastAtApigee().headers["content-type"]).toBe("application/json");
  });

  test("of an answer keeps its encoding", async () => {
    const plain = "orders ".repeat(1000);
    edge.internet.on(APIGEE, (_request, response) => {
      const packed = gzipSync(plain);
      response.writeHead(200, { "content-type": "text/plain", "content-encoding": "gzip", "content-length": packed.length });
      response.end(packed);
    });
    const answer = await edge.sendWithToken({ headers: { "accept-encoding": "gzip" } });
    expect(answer.headers["content-encoding"]).toBe("gzip");
    expect(gunzipSync(answer.bytes).toString()).toBe(plain);
  });

  test("of an answer is handed on while Apigee is still writing it", async () => {
    let finish = (): void => undefined;
    edge.internet.on(APIGEE, (_request, response) => {
      response.writeHead(200, { "content-type": "text/plain" });
      response.write("first ");
      finish = () => response.end("last");
    });
    const pending = edge.sendWithToken({ headers: { traceparent: "00-11111111111111111111111111111111-2222222222222222-01" } });
    // The audit line is written when the head of the answer has come: the body has no end yet.
    await edge.auditLine("1".repeat(32));
    finish();
    expect((await pending).body).toBe("first last");
  });
});

interface UpstreamRow {
  readonly name: string;
  readonly method?: string;
  readonly answer: { readonly status: number; readonly type?: string; readonly body?: string };
  readonly expect: { readonly status: number; readonly slug?: string; readonly reason: string };
}

describe("an answer of Apigee", () => {
  test.each(upstream as readonly UpstreamRow[])("$name", async ({ method = "GET", answer, expect: expected }) => {
    edge.internet.on(APIGEE, (_request, response) => {
      response.writeHead(answer.status, answer.type === undefined ? {} : { "content-type": answer.type });
      response.end(answer.body);
    });
    const got = await edge.sendWithToken({ method });
    const line = await edge.auditLine(got.headers["x-request-id"]);
    expect(line).toMatchObject({ reason: expected.reason, "http.response.status_code": expected.status, upstream_status: answer.status });
    if (expected.slug !== undefined && method !== "HEAD") expectProblem(got, expected.status, expected.slug);
    expect(got.status).toBe(expected.status);
    if (expected.slug === undefined) expect(got.body).toBe(method === "HEAD" ? "" : (answer.body ?? ""));
    else expect(got.body).not.toContain("secret");
  });

  test("that does not come in time is a 504", async () => {
    edge.internet.on(APIGEE, hangs);
    const answer = await edge.sendWithToken();
    expectProblem(answer, 504, "backend-timeout");
    expect(await edge.auditLine(answer.headers["x-request-id"])).toMatchObject({ decision: "error", upstream_status: null });
  });

  test("that cannot be had is a 503 that says when to try again", async () => {
    edge.internet.on(APIGEE, breaks);
    const answer = await edge.sendWithToken();
    expectProblem(answer, 503, "backend-unavailable");
    expect(answer.headers["retry-after"]).toBe("10");
  });

  test("whose client has gone is audited all the same", async () => {
    const traceId = "3".repeat(32);
    let reached = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (reached = resolve));
    let finish = (): void => undefined;
    edge.internet.on(APIGEE, (_request, response) => {
      finish = () => {
        json(response, 200, {});
      };
      reached();
    });
    const pending = edge.sendWithToken({ headers: { traceparent: `00-${traceId}-2222222222222222-01` } });
    await arrived;
    edge.hangUp();
    await expect(pending).rejects.toThrow();
    // By the time these are answered, the runtime has seen that the client is gone.
    await edge.send();
    await edge.send();
    finish();
    expect(await edge.auditLine(traceId)).toMatchObject({ trace_id: traceId });
  });
});

test("a contract may want the subject named in audit lines", async () => {
  const plain = await Edge.start({ policy: { ...policyDocument(), audit_subject: "plain" } }, edge);
  const answer = await plain.sendWithToken();
  expect(await plain.auditLine(answer.headers["x-request-id"])).toMatchObject({ "user.id": "ada@acme.example" });
  await plain.stop({ keepWorld: true });
});

describe("what the edge wrote about all of this", () => {
  test("is one audit line for each request, with exactly the members of the schema", async () => {
    const last = await edge.send();
    await edge.auditLine(last.headers["x-request-id"]);
    const ids = edge.audit.map((line) => line["trace_id"]);
    expect(new Set(ids).size).toBe(ids.length);
    for (const line of edge.audit) expectAuditLine(line);
  });

  test("holds no part of any token", () => {
    edge.maker.made.push(...edge.internet.to(APIGEE).map(({ headers }) => headers["txn-token"] ?? ""));
    const written = edge.written.join("\n");
    const seen = new Set(Array.from({ length: Math.max(written.length - 15, 0) }, (_, at) => written.slice(at, at + 16)));
    const leaks = edge.maker.made.filter((token) =>
      Array.from({ length: Math.max(token.length - 15, 0) }, (_, at) => token.slice(at, at + 16)).some((part) => seen.has(part)),
    );
    expect(edge.maker.made.length).toBeGreaterThan(10);
    expect(leaks).toEqual([]);
    expect(written).not.toContain("eyJ");
    expect(written).not.toContain("ada@acme.example");
  });
});

function expectAuditLine(line: Line): void {
  const members = auditSchema as Readonly<Record<string, string>>;
  expect(Object.keys(line)).toEqual(Object.keys(members));
  for (const [name, pattern] of Object.entries(members)) {
    expect(`${name}: ${JSON.stringify(line[name])}`).toMatch(new RegExp(`^${name}: (?:${pattern})$`));
  }
}
