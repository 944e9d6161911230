import { MAX_PATH_BYTES } from "../constants";

/**
 * The target of a request as it was sent. Both parts are forwarded byte for byte, save for an apostrophe in the query,
 * which fetching writes as `%27` (URL Standard, special-query percent-encode set).
 */
export interface Target {
  /** From the first slash on, without the query. */
  readonly path: string;
  /** From the question mark on, or empty. */
  readonly query: string;
}

// RFC 3986 §3.3, pchar, less `;`: path parameters are dropped by some servers and kept by others.
const PATH = /^(?:\/(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})*)+$/;
const DOT_SEGMENT = /\/\.\.?(?:\/|$)/;

/**
 * Encoded characters that a path may not hold, since decoding them once would change how it is read: `/ \ ? # ; %`
 * would become structure, controls would end lines, and unreserved ones are another spelling of the same path
 * (RFC 3986 §6.2.2.2), by which `/orders/%65xport` would be `/orders/{order}` here and `/orders/export` further on.
 */
const REFUSED_WHEN_DECODED = /[/\\?#;%A-Za-z0-9._~\p{Cc}-]/u;

/**
 * Splits a request's URL without parsing it: a URL parser resolves `..`, turns `\` into `/` and decodes `%2e`, and so
 * would hide what is going to be refused. `undefined` where there is no path.
 */
export function splitTarget(url: string): Target | undefined {
  const afterScheme = url.indexOf("://") + 3;
  const start = url.indexOf("/", afterScheme);
  const question = url.indexOf("?", afterScheme);
  if (start < 0 || (question >= 0 && question < start)) return undefined;
  const end = question < 0 ? url.length : question;
  return { path: url.slice(start, end), query: url.slice(end) };
}

/**
 * Whether a path can be read in one way only, so that what is matched here is what Apigee and the backend match: no
 * empty, `.` or `..` segments, no backslash, no path parameters, no misleading or broken percent-encoding. A path that
 * passes is not changed by URL parsing. A slash at the end is let through, and matches no operation.
 */
export function isUnambiguous(path: string): boolean {
  if (path.length > MAX_PATH_BYTES || !PATH.test(path) || path.includes("//") || DOT_SEGMENT.test(path)) return false;
  return !path.includes("%") || path.split("/").every(hasPlainEncoding);
}

function hasPlainEncoding(segment: string): boolean {
  try {
    // Fails for what is not UTF-8, overlong spellings included.
    decodeURIComponent(segment);
    // Every encoded ASCII character by itself; a byte from 80 on begins or continues a longer character.
    return (segment.match(/%[0-7][0-9A-Fa-f]/g) ?? []).every((code) => !REFUSED_WHEN_DECODED.test(decodeURIComponent(code)));
  } catch {
    return false;
  }
}
