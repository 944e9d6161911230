import { MAX_JSON_DEPTH } from "../constants";
import { isJsonObject, type JsonObject } from "../support/json";

// `fatal` refuses bytes that are no UTF-8; `ignoreBOM` keeps a byte order mark in the text, where JSON refuses it
// (RFC 8259 §8.1).
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads a JSON object of which there is only one reading: UTF-8, no member twice at any depth (RFC 7515 §4, RFC 8259
 * §4), not nested too deep. `undefined` for anything else.
 */
export function parseStrictObject(bytes: Uint8Array): JsonObject | undefined {
  try {
    const text = UTF8.decode(bytes);
    const value: unknown = JSON.parse(text);
    if (!isJsonObject(value)) return undefined;
    return writtenMembers(text) === distinctMembers(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** How many members a text, known to be JSON, writes down: one colon each outside of strings. NaN if nested too deep. */
function writtenMembers(text: string): number {
  let members = 0;
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === '"') index = endOfString(text, index);
    else if (character === ":") members++;
    else if (character === "}" || character === "]") depth--;
    else if ((character === "{" || character === "[") && ++depth > MAX_JSON_DEPTH) return Number.NaN;
  }
  return members;
}

/** The index of the quotation mark that ends the string begun at `start`. */
function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (text[index] !== '"') index += text[index] === "\\" ? 2 : 1;
  return index;
}

/** How many members are left after parsing, which keeps one of those with the same name. */
function distinctMembers(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const entries: unknown[] = Object.values(value);
  const nested = entries.reduce((sum: number, entry) => sum + distinctMembers(entry), 0);
  return Array.isArray(value) ? nested : entries.length + nested;
}
