import { describe, expect, test } from "vitest";
import { type OperationPolicy } from "../../src/policy/table";
import { compileMatcher } from "../../src/routing/matcher";
import { isUnambiguous, splitTarget } from "../../src/routing/path";
import requests from "../data/requests.json";

function operation(method: string, path: string): OperationPolicy {
  return { name: `${method} ${path}`, method, path, product: "p", roles: ["r"], timeout_seconds: 1, max_body_bytes: null };
}

describe("a path", () => {
  const paths = (requests as readonly { path?: string; expect: { slug?: string } }[]).filter(({ path }) => path !== undefined);
  const accepted = paths.filter(({ expect: { slug } }) => slug !== "invalid-request").map(({ path = "" }) => path);

  test.each(accepted)("that is accepted is not changed by URL parsing: %s", (target) => {
    const split = splitTarget(`https://api.acme.example${target}`);
    const parsed = new URL(`https://apigee.acme.example${split?.path ?? ""}${split?.query ?? ""}`);
    expect(parsed.pathname).toBe(split?.path);
    expect(parsed.host).toBe("apigee.acme.example");
  });

  test("of any one byte, encoded or not, that is accepted is not changed by URL parsing", () => {
    for (let byte = 0; byte < 128; byte++) {
      for (const written of [String.fromCharCode(byte), `%${byte.toString(16).padStart(2, "0")}`]) {
        const path = `/a${written}b`;
        if (isUnambiguous(path)) expect(new URL(`https://host${path}`).pathname).toBe(path);
      }
    }
  });

  test("of no encoded character that is also written plainly, and of none that makes structure, is accepted", () => {
    for (const character of "azAZ09-._~/\\?#;%\n\r\0\x7f") {
      expect(isUnambiguous(`/a%${character.charCodeAt(0).toString(16).padStart(2, "0")}b`), character).toBe(false);
    }
  });

  test.each([
    ["https://host/a?b=/c", { path: "/a", query: "?b=/c" }],
    ["https://host/", { path: "/", query: "" }],
    ["https://host//a", { path: "//a", query: "" }],
    ["https://host/a??", { path: "/a", query: "??" }],
    ["https://host*", undefined],
    ["https://host?a=/b", undefined],
  ])("is split off %s", (url, target) => {
    expect(splitTarget(url)).toEqual(target);
  });
});

describe("the matcher", () => {
  test("finds what trying the operations one after the other finds, for any operations and paths", () => {
    const random = generator(20261124);
    const pick = <Value>(values: readonly Value[]): Value => values[Math.floor(random() * values.length)] as Value;
    for (let round = 0; round < 300; round++) {
      const some = (from: readonly string[]): string =>
        "/" + Array.from({ length: Math.floor(random() * 4) }, () => pick(from)).join("/");
      const operations = Array.from({ length: 6 }, () => operation(pick(["GET", "POST"]), some(["a", "b", "c", "{x}", "{y}"])));
      const match = compileMatcher(operations);
      for (let tries = 0; tries < 20; tries++) {
        const [method, path] = [pick(["GET", "POST", "PUT"]), some(["a", "b", "c", "d"])];
        expect(match(method, path), `${method} ${path}`).toEqual(naively(operations, method, path));
      }
    }
  });

  test("takes names that every object has as the names they are", () => {
    const match = compileMatcher([operation("GET", "/constructor")]);
    expect(match("GET", "/constructor").kind).toBe("operation");
    expect(match("GET", "/toString").kind).toBe("not-found");
    expect(match("constructor", "/constructor").kind).toBe("method-not-allowed");
  });

  test("refuses operations whose tree would not fit", () => {
    const twelve = (bits: number): string =>
      "/" + Array.from({ length: 12 }, (_, at) => ((bits >> at) & 1 ? `l${bits}` : "{p}")).join("/");
    const operations = Array.from({ length: 400 }, (_, index) => operation("GET", twelve(index * 7 + 3)));
    expect(() => compileMatcher(operations)).toThrow("overlap");
  });
});

function naively(operations: readonly OperationPolicy[], method: string, path: string): unknown {
  const matches = operations.filter(({ path: template }) => {
    const pattern = template.replace(/\{[^}]*\}/g, "[^/]+");
    return new RegExp(`^${pattern}$`).test(path);
  });
  const found = matches.find((candidate) => candidate.method === method);
  if (found !== undefined) return { kind: "operation", operation: found };
  if (matches.length === 0) return { kind: "not-found" };
  return { kind: "method-not-allowed", allow: [...new Set(matches.map((candidate) => candidate.method))].sort() };
}

/** The same numbers for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
