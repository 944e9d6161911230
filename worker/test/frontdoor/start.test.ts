import { afterEach, describe, expect, test } from "vitest";
import { Edge, type EdgeOptions, newRing, policyDocument } from "../support/edge";

const running: Edge[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((edge) => edge.stop()));
});

describe("a Worker that is not fit to run", () => {
  const faults: readonly (readonly [string, EdgeOptions, string, string])[] = [
    ["no AUDIT_SALT", { bindings: { AUDIT_SALT: null } }, "AUDIT_SALT", "missing"],
    ["RING that is no JSON", { bindings: { RING: "s3cret" } }, "RING", "no JSON"],
    ["a policy with an unknown member", { policy: { ...policyDocument(), extra: 1 } }, "policy.json", "not known"],
  ];

  test.each(faults)("for %s says which binding, and never its value", async (_name, options, binding, cause) => {
    const edge = await Edge.start(options);
    running.push(edge);
    const answer = await edge.sendWithToken();
    expect(answer.status).toBe(503);
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(answer.headers["retry-after"]).toBe("10");
    expect(JSON.parse(answer.body)).toMatchObject({ type: "about:blank", status: 503, title: "The gateway failed" });
    expect(await edge.auditLine(answer.headers["x-request-id"])).toMatchObject({
      decision: "error",
      reason: "gateway-fault",
      "http.response.status_code": 503,
      env: null,
      contract: null,
    });
    const event = await edge.event("start-failed");
    expect(event).toMatchObject({ binding });
    expect(event["cause"]).toContain(cause);
    expect(edge.written.join("\n")).not.toContain("s3cret");
    expect(edge.internet.calls).toEqual([]);
  });

  test("for a RING whose private key is not on the curve still answers a problem", async () => {
    const { secret } = newRing();
    const spoilt = secret.replace(/"d":"[^"]{43}"/, `"d":"${"_".repeat(42)}8"`);
    const edge = await Edge.start({ bindings: { RING: spoilt } });
    running.push(edge);
    const answer = await edge.sendWithToken();
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.body)).toMatchObject({ type: "https://developer.acme.example/problems/gateway-fault" });
    expect(await edge.auditLine(answer.headers["x-request-id"])).toMatchObject({ decision: "error", reason: "gateway-fault" });
    await edge.event("unexpected");
  });
});
