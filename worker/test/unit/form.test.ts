import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { decodeCanonical } from "../../src/token/base64url";
import { looksLikeJose, parseCompact } from "../../src/token/compact";
import { parseStrictObject } from "../../src/token/strict_json";
import { TokenMaker } from "../support/tokens";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

describe("canonical base64url", () => {
  test("of any bytes is read back, by any length", () => {
    for (let length = 1; length < 70; length++) {
      const bytes = crypto.getRandomValues(new Uint8Array(length));
      expect(decodeCanonical(Buffer.from(bytes).toString("base64url"))).toEqual(bytes);
    }
  });

  test("has one spelling for each value: of all last characters only those that encode to themselves are taken", () => {
    for (const prefix of ["A", "AB", "ABC", "ABCD"]) {
      for (const last of ALPHABET) {
        const text = prefix + last;
        const canonical = Buffer.from(text, "base64url").toString("base64url") === text;
        expect(decodeCanonical(text) !== undefined, text).toBe(canonical);
      }
    }
  });

  test.each(["", "=", "QQ==", "Q Q", "QQ\n", "\nQQ", "QQ\r\n", "Q+", "Q/", "QQ.", "é", "Q"])("is not %j", (text) => {
    expect(decodeCanonical(text)).toBeUndefined();
  });
});

describe("strict JSON", () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  test.each([
    ["an empty object", "{}"],
    ["white space", ' {\n "a" : 1 , "b":[ ]}\t'],
    ["colons, braces and quotation marks in texts", '{"a:{\\"b\\":":"}{][\\\\","c":["\\\\\\"",":"]}'],
    ["one name at several depths", '{"a":{"a":[{"a":1},{"a":2}]}}'],
    ["names every object has", '{"__proto__":{"a":1},"constructor":1,"hasOwnProperty":2}'],
    ["depth 16", `{"a":${"[".repeat(15)}${"]".repeat(15)}}`],
  ])("takes %s", (_name, text) => {
    expect(parseStrictObject(bytes(text))).toEqual(JSON.parse(text));
  });

  test.each([
    ["a member twice", '{"a":1,"a":1}'],
    ["a member twice, once escaped", '{"a":1,"\\u0061":1}'],
    ["a member twice in a list", '{"a":[1,{"b":1,"b":2}]}'],
    ["__proto__ twice", '{"__proto__":1,"__proto__":2}'],
    ["a list", "[]"],
    ["null", "null"],
    ["a text", '"{}"'],
    ["two objects", "{}{}"],
    ["a trailing comma", '{"a":1,}'],
    ["a comment", '{"a":1}//'],
    ["single quotes", "{'a':1}"],
    ["a byte order mark", "\ufeff{}"],
    ["nothing", ""],
    ["depth 17", `{"a":${"[".repeat(16)}${"]".repeat(16)}}`],
    ["a depth that would end a recursion", `{"a":${"[".repeat(3000)}${"]".repeat(3000)}}`],
  ])("refuses %s", (_name, text) => {
    expect(parseStrictObject(bytes(text))).toBeUndefined();
  });

  test.each([
    ["a stray continuation byte", [0x7b, 0x22, 0x80, 0x22, 0x3a, 0x31, 0x7d]],
    ["an overlong slash", [0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d]],
    ["an encoded surrogate", [0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d]],
    ["UTF-16", [0x7b, 0x00, 0x7d, 0x00]],
  ])("refuses %s", (_name, raw) => {
    expect(parseStrictObject(Uint8Array.from(raw))).toBeUndefined();
  });
});

describe("a compact token", () => {
  const maker = new TokenMaker();

  test("is read whole", () => {
    expect(parseCompact(maker.make({ header: { typ: "Application/AT+JWT" } }))).toMatchObject({
      algorithm: "RS256",
      kid: "okta-1",
      type: "at+jwt",
      claims: { sub: "ada@acme.example" },
    });
  });

  // What an HTTP header cannot carry, the front door never sees.
  test.each(["\n", "\r\n", "\0", "\u2028"])("with %j anywhere is refused", (character) => {
    const token = maker.make();
    for (const at of [0, 1, token.indexOf("."), token.indexOf(".") + 1, token.length]) {
      expect(parseCompact(token.slice(0, at) + character + token.slice(at))).toBeUndefined();
    }
  });

  test("of 8192 bytes may be read, of one more is not", () => {
    const claims = (length: number): string => maker.make({ claims: { x: "y".repeat(length) } });
    const sizes = Array.from({ length: 12 }, (_, more) => claims(5_200 + 50 * more)).map((token) => ({
      size: token.length,
      taken: parseCompact(token) !== undefined,
    }));
    expect(sizes.some(({ size }) => size > 8192)).toBe(true);
    expect(sizes.some(({ size }) => size <= 8192)).toBe(true);
    for (const { size, taken } of sizes) expect(taken, String(size)).toBe(size <= 8192);
  });

  test.each([
    ["eyJhbGciOiJub25lIn0", true],
    [".eyJhbGciOiJub25lIn0", true],
    ["a.b.c", true],
    ["a.b.c.d.e", true],
    ["ya29.a0AfH6SMBx", false],
    ["00opaque-Token", false],
  ])("%s looks like JOSE: %s", (token, jose) => {
    expect(looksLikeJose(token)).toBe(jose);
  });
});
