import { importJWK, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Edge, VERSION } from "../support/edge";
import { breaks, hangs } from "../support/internet";
import { expectProblem } from "../support/problems";

const BASE = "/.well-known/portcullis";
const SAME = { version: VERSION, ring_seq: 7, contract: "3f9c0a1b2c3d" };

function parsed(body: string): unknown {
  return JSON.parse(body);
}

describe("the ring's public keys", () => {
  let edge: Edge;
  beforeAll(async () => {
    edge = await Edge.start();
  });
  afterAll(() => edge.stop());

  test("are a key set that verifies internal tokens and holds nothing private", async () => {
    const answer = await edge.send({ path: `${BASE}/jwks.json` });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/jwk-set+json");
    expect(answer.headers["cache-control"]).toBe("public, max-age=30");
    const { kty, crv, x, y, kid } = edge.ring.publicJwk;
    const key = { kty: kty ?? "", crv: crv ?? "", x: x ?? "", y: y ?? "", kid, alg: "ES256", use: "sig" };
    expect(parsed(answer.body)).toEqual({ keys: [key] });
    await edge.sendWithToken();
    const minted = edge.internet.to("apigee.acme.example").at(-1)?.headers["txn-token"] ?? "";
    expect((await jwtVerify(minted, await importJWK(key))).protectedHeader.kid).toBe(kid);
  });

  test("answer a HEAD with the headers of a GET and no body", async () => {
    const [get, head] = await Promise.all([
      edge.send({ path: `${BASE}/jwks.json` }),
      edge.send({ method: "HEAD", path: `${BASE}/jwks.json` }),
    ]);
    expect(head.status).toBe(200);
    expect(head.body).toBe("");
    for (const name of ["content-type", "cache-control", "content-length"]) {
      expect(head.headers[name]).toBe(get.headers[name]);
    }
  });
});

describe("the gateway's own endpoints", () => {
  let edge: Edge;
  beforeAll(async () => {
    edge = await Edge.start();
  });
  afterAll(() => edge.stop());

  test.each(["POST", "PUT", "DELETE", "OPTIONS"])("are not for a %s", async (method) => {
    const answer = await edge.send({ method, path: `${BASE}/live` });
    expectProblem(answer, 405, "method-not-allowed");
    expect(answer.headers.allow).toBe("GET, HEAD");
  });

  test.each([`${BASE}/`, `${BASE}/livelier`, `${BASE}/live/`, `${BASE}/constructor`, BASE])("%s is none of them", async (path) => {
    expectProblem(await edge.send({ path }), 404, "operation-not-found");
  });

  test.each(["jwks.json", "live", "ready"])("%s is audited by its path, and reaches nobody", async (name) => {
    const answer = await edge.send({ path: `${BASE}/${name}?probe=1` });
    expect(await edge.auditLine(answer.headers["x-request-id"])).toMatchObject({
      decision: "allow",
      reason: "ok",
      "http.route": `${BASE}/${name}`,
      operation: null,
      txn: null,
      "http.response.status_code": 200,
    });
    expect(edge.internet.to("apigee.acme.example")).toEqual([]);
  });
});

describe("liveness", () => {
  test("is told by an isolate that has fetched nothing, and fetches nothing", async () => {
    const edge = await Edge.start();
    const answer = await edge.send({ path: `${BASE}/live` });
    expect(answer.status).toBe(200);
    expect(answer.headers["cache-control"]).toBe("no-store");
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(parsed(answer.body)).toEqual({ status: "live", ...SAME, keys: { state: "missing", age_seconds: null } });
    expect(edge.internet.calls).toEqual([]);
    await edge.stop();
  });
});

describe("readiness", () => {
  let edge: Edge;
  beforeAll(async () => {
    edge = await Edge.start();
  });
  afterAll(() => edge.stop());

  test("gets the keys that are missing, once, and tells how old they are", async () => {
    const answers = await Promise.all([1, 2, 3].map(() => edge.send({ path: `${BASE}/ready` })));
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      expect(answer.headers["cache-control"]).toBe("no-store");
      const report = parsed(answer.body) as { readonly keys: { readonly age_seconds: number } };
      expect(report).toEqual({ status: "ready", ...SAME, keys: { state: "fresh", age_seconds: report.keys.age_seconds } });
      expect(report.keys.age_seconds).toBeLessThan(60);
    }
    await edge.send({ path: `${BASE}/ready` });
    expect(edge.internet.to("acme.okta.example", "/oauth2/default/v1/keys")).toHaveLength(1);
  });

  test("is degraded while one issuer's keys cannot be had, for the others' callers are served", async () => {
    const other = await Edge.start();
    other.internet.on("idp.machines.example/.well-known/oauth-authorization-server", breaks);
    other.internet.on("acme.okta.example/oauth2/default/.well-known/openid-configuration", hangs);
    const answer = await other.send({ path: `${BASE}/ready` });
    expect(answer.status).toBe(200);
    expect(parsed(answer.body)).toMatchObject({ status: "degraded", keys: { state: "missing" } });
    expect((await other.sendWithToken({}, other.maker.make({ issuer: "partners" }))).status).toBe(200);
    await other.stop();
  });

  test("is refused with 503 while no caller at all could be verified", async () => {
    const other = await Edge.start();
    for (const host of ["acme.okta.example", "accounts.google.example", "idp.machines.example"]) other.internet.on(host, breaks);
    for (const path of [
      "acme.okta.example/oauth2/default/.well-known/openid-configuration",
      "accounts.google.example/.well-known/openid-configuration",
      "idp.machines.example/.well-known/oauth-authorization-server",
      "login.microsoftonline.example/6f1d/v2.0/.well-known/openid-configuration",
      "acme.auth0.example/.well-known/openid-configuration",
      "idp.exotic.example/.well-known/openid-configuration",
    ]) {
      other.internet.on(path, breaks);
    }
    const answer = await other.send({ path: `${BASE}/ready` });
    expect(answer.status).toBe(503);
    expect(answer.headers["retry-after"]).toBe("10");
    expect(parsed(answer.body)).toEqual({ status: "unready", ...SAME, keys: { state: "missing", age_seconds: null } });
    await other.stop();
  });
});
