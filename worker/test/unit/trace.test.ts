import { describe, expect, test } from "vitest";
import { continueTrace, traceparentOf } from "../../src/request/trace";

const TRACE = "12345678901234567890123456789012";
const PARENT = "1234567890123456";

function bytes(count: number): Uint8Array {
  return new Uint8Array(count).fill(0xab);
}

describe("a traceparent", () => {
  test.each([
    ["version 00", `00-${TRACE}-${PARENT}-01`, "01"],
    ["flags not set", `00-${TRACE}-${PARENT}-00`, "00"],
    ["the random flag", `00-${TRACE}-${PARENT}-02`, "02"],
    ["flags that are not known", `00-${TRACE}-${PARENT}-ff`, "03"],
    ["a later version", `cc-${TRACE}-${PARENT}-01`, "01"],
    ["a later version with more", `cc-${TRACE}-${PARENT}-01-what-the-future-will-be-like`, "01"],
    ["a later version with an empty end", `cc-${TRACE}-${PARENT}-01-`, "01"],
  ])("of %s goes on", (_name, header, flags) => {
    const trace = continueTrace(header, null, bytes);
    expect(trace).toMatchObject({ traceId: TRACE, parentId: PARENT });
    expect(traceparentOf(trace)).toBe(`00-${TRACE}-abababababababab-${flags}`);
  });

  test.each([
    ["nothing", null],
    ["an empty text", ""],
    ["version ff", `ff-${TRACE}-${PARENT}-01`],
    ["version 00 with more", `00-${TRACE}-${PARENT}-01-x`],
    ["version 00 with a dash at the end", `00-${TRACE}-${PARENT}-01-`],
    ["a later version without a dash", `cc-${TRACE}-${PARENT}-01.x`],
    ["a version of one digit", `0-${TRACE}-${PARENT}-01`],
    ["a version of three digits", `000-${TRACE}-${PARENT}-01`],
    ["a version that is no number", `.0-${TRACE}-${PARENT}-01`],
    ["a trace id of zeros", `00-${"0".repeat(32)}-${PARENT}-01`],
    ["a trace id in upper case", `00-${"A".repeat(32)}-${PARENT}-01`],
    ["a trace id that is too short", `00-${TRACE.slice(1)}-${PARENT}-01`],
    ["a trace id that is too long", `00-${TRACE}0-${PARENT}-01`],
    ["a parent id of zeros", `00-${TRACE}-${"0".repeat(16)}-01`],
    ["a parent id that is too short", `00-${TRACE}-${PARENT.slice(1)}-01`],
    ["flags that are no number", `00-${TRACE}-${PARENT}-.1`],
    ["flags of one digit", `00-${TRACE}-${PARENT}-1`],
    ["white space around", ` 00-${TRACE}-${PARENT}-01`],
    ["two headers, joined", `00-${TRACE}-${PARENT}-01, 00-${TRACE}-${PARENT}-01`],
  ])("of %s begins a trace of its own, without the state", (_name, header) => {
    const trace = continueTrace(header, "a=1", bytes);
    expect(trace).toEqual({ traceId: "ab".repeat(16), spanId: "ab".repeat(8), parentId: null, flags: "03", state: null });
  });

  test("ids are never zeros, even where the random source gives some", () => {
    let first = true;
    const sometimes = (count: number): Uint8Array => {
      const zeros = first;
      first = false;
      return zeros ? new Uint8Array(count) : bytes(count);
    };
    expect(continueTrace(null, null, sometimes).spanId).toBe("ab".repeat(8));
  });
});

describe("a tracestate", () => {
  test.each([
    [32, true],
    [33, false],
  ])("of %i members is handed on: %s", (members, kept) => {
    const state = Array.from({ length: members }, (_, index) => `k${index}=v`).join(",");
    expect(continueTrace(`00-${TRACE}-${PARENT}-01`, state, bytes).state).toBe(kept ? state : null);
  });
});
