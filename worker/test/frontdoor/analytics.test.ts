import { expect, test } from "vitest";
import { Edge } from "../support/edge";

test("each request is a data point of what dashboards count, refusals too, and names no subject", async () => {
  const edge = await Edge.start({ analytics: "up" });
  const allowed = await edge.sendWithToken();
  expect(allowed.status).toBe(200);
  const { duration_ms: duration } = await edge.auditLine(allowed.headers["x-request-id"]);
  expect(await edge.event("data-point")).toEqual({
    event: "data-point",
    point: {
      indexes: ["0oa1storefront"],
      blobs: ["allow", "ok", "list-orders", "GET", "/orders", "orders", "0oa1storefront", "workforce", "test", "3f9c0a1b2c3d", "miss"],
      doubles: [200, 200, duration, 7],
    },
  });
  const refused = await edge.send();
  await edge.auditLine(refused.headers["x-request-id"]);
  // The audit line comes by another stream: it may be here before the point is.
  expect(await edge.event("data-point", 1)).toMatchObject({ point: { indexes: [""], doubles: [401, 0, expect.any(Number), 7] } });
  expect(edge.events("data-point")).toHaveLength(2);
  await edge.stop();
});

test("a dataset that fails changes neither the answer nor the audit line", async () => {
  const edge = await Edge.start({ analytics: "broken" });
  const answer = await edge.sendWithToken();
  expect(answer.status).toBe(200);
  expect(await edge.auditLine(answer.headers["x-request-id"])).toMatchObject({ decision: "allow", "http.response.status_code": 200 });
  await edge.stop();
});
