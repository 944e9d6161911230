import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Edge, policyDocument } from "../support/edge";
import { answers } from "../support/internet";
import { leaks } from "../support/leaks";

/** In the place of a token: it goes by a way that the Worker does tell of, so that the scan has something to find. */
const MARKER = "a-marker-as-long-as-16-and-more";
const TRACE = "0123456789abcdef0123456789abcdef";

/** The policy with the marker as the name of an operation. */
function marked(): Record<string, unknown> {
  const document = policyDocument();
  const operations = (document["operations"] as readonly Readonly<Record<string, unknown>>[]).map((operation) =>
    operation["name"] === "list-orders" ? { ...operation, name: MARKER } : operation,
  );
  return { ...document, operations, ai_hint: { model: "@cf/meta/llama-3.1-8b-instruct-fast", per_minute: 600 } };
}

describe("the scan for leaks finds what is told", () => {
  let edge: Edge;
  beforeAll(async () => {
    edge = await Edge.start({ policy: marked(), kv: { [`unread-${MARKER}`]: "x", unread: `x ${MARKER} x` } });
    edge.internet.on(`apigee.acme.example`, answers({ echoed: `before ${MARKER}, after` }));
    await edge.sendWithToken({ path: `/orders?${MARKER}`, headers: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` } });
    await edge.auditLine(TRACE);
    await edge.event("data-point");
    await edge.event("model-asked");
    await edge.event("hint");
  });
  afterAll(() => edge.stop());

  test.each([
    ["the audit line", MARKER, '"hop":"edge"'],
    ["a data point", MARKER, '"event":"data-point"'],
    ["what a model is told", MARKER, '"event":"model-asked"'],
    ["an event", TRACE, '"event":"hint"'],
    ["an answer's body", MARKER, "echoed"],
    ["an answer's headers", TRACE, "x-request-id"],
    ["a key of KV", MARKER, "unread-"],
    ["a value of KV", MARKER, "x a-marker"],
    ["a URL that was asked for", MARKER, "apigee.acme.example/orders?"],
  ])("in %s", (_place, secret, mark) => {
    expect(leaks([secret], edge.told().filter((text) => text.includes(mark)))).not.toEqual([]);
  });

  test("and by no more than 16 characters of it", () => {
    expect(leaks([`${MARKER.slice(3, 19)}#`], edge.told())).not.toEqual([]);
    expect(leaks([`${MARKER.slice(3, 18)}#`], edge.told())).toEqual([]);
  });

  test("and finds nothing of the tokens that were used", () => {
    expect(leaks([...edge.maker.made], edge.told())).toEqual([]);
  });
});
