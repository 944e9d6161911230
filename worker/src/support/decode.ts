import { isJsonObject } from "./json";

/** What is wrong with a document, and where; it never holds a value of the document. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

/** Turns an unknown value into a typed one. `at` names the place, as in `$.issuers[0].name`. Throws {@link DecodeError}. */
export type Decoder<Value> = (value: unknown, at: string) => Value;

/** A text of 1 to `longest` characters that matches `pattern`. */
export function text(longest: number, pattern = /^[^\p{Cc}]+$/u): Decoder<string> {
  return (value, at) => {
    if (typeof value !== "string" || value.length === 0 || value.length > longest || !pattern.test(value)) {
      throw new DecodeError(`${at} is not a text of the right form`);
    }
    return value;
  };
}

/** A whole number between two bounds, both included. */
export function integer(lowest: number, highest: number): Decoder<number> {
  return (value, at) => {
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < lowest || value > highest) {
      throw new DecodeError(`${at} is not a whole number from ${lowest} to ${highest}`);
    }
    return value;
  };
}

/** True or false. */
export function flag(value: unknown, at: string): boolean {
  if (typeof value !== "boolean") throw new DecodeError(`${at} is neither true nor false`);
  return value;
}

/** One of a few texts. */
export function oneOf<const Choice extends string>(choices: readonly Choice[]): Decoder<Choice> {
  return (value, at) => {
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw new DecodeError(`${at} is not one of ${choices.join(", ")}`);
    return found;
  };
}

/** What `decoder` reads, or null. */
export function nullable<Value>(decoder: Decoder<Value>): Decoder<Value | null> {
  return (value, at) => (value === null ? null : decoder(value, at));
}

/** A list of `fewest` to `most` entries. */
export function list<Value>(decoder: Decoder<Value>, fewest: number, most: number): Decoder<readonly Value[]> {
  return (value, at) => {
    if (!Array.isArray(value) || value.length < fewest || value.length > most) {
      throw new DecodeError(`${at} is not a list of ${fewest} to ${most} entries`);
    }
    return value.map((entry: unknown, index) => decoder(entry, `${at}[${index}]`));
  };
}

/** An object whose members are named freely. */
export function dictionary<Value>(decoder: Decoder<Value>, most: number): Decoder<ReadonlyMap<string, Value>> {
  return (value, at) => {
    if (!isJsonObject(value) || Object.keys(value).length > most) {
      throw new DecodeError(`${at} is not an object of at most ${most} members`);
    }
    return new Map(Object.entries(value).map(([name, entry]) => [name, decoder(entry, `${at}.${name}`)]));
  };
}

/**
 * An object with exactly these members. One more is refused too: a document that says something this code does not
 * understand may be a restriction that would be left out.
 */
export function record<Shape extends object>(decoders: { readonly [Name in keyof Shape]: Decoder<Shape[Name]> }): Decoder<Shape> {
  const names = Object.keys(decoders) as (keyof Shape & string)[];
  return (value, at) => {
    if (!isJsonObject(value)) throw new DecodeError(`${at} is not an object`);
    const unknown = Object.keys(value).find((name) => !Object.hasOwn(decoders, name));
    if (unknown !== undefined) throw new DecodeError(`${at} has a member that is not known`);
    const missing = names.find((name) => !Object.hasOwn(value, name));
    if (missing !== undefined) throw new DecodeError(`${at}.${missing} is missing`);
    const decoded: Partial<Shape> = {};
    for (const name of names) decoded[name] = decoders[name](value[name], `${at}.${name}`);
    return decoded as Shape;
  };
}

/** An https URL without user, query or fragment, in the one spelling that parsing leaves as it is, save a last slash. */
export function httpsUrl(value: unknown, at: string): string {
  const written = text(300)(value, at);
  const parsed = URL.canParse(written) ? new URL(written) : null;
  const plain = parsed?.protocol === "https:" && parsed.username === "" && parsed.password === "";
  if (!plain || /[?#]/.test(written) || ![written, `${written}/`].includes(parsed.href)) {
    throw new DecodeError(`${at} is not a plain https URL`);
  }
  return written;
}

/** An https origin: scheme, host, and port if it is not 443. */
export function httpsOrigin(value: unknown, at: string): string {
  const written = httpsUrl(value, at);
  if (new URL(written).origin !== written) throw new DecodeError(`${at} is not an https origin (no path)`);
  return written;
}
