import { MAX_CLIENT_ID_CHARACTERS, MAX_SUBJECT_CHARACTERS, MAX_TOKEN_LIFE_SECONDS } from "../constants";
import { type TokenFault } from "../token/fault";

/** The outcome of one check: null where the claim is in order. */
export type Check = TokenFault | null;

// Printable ASCII without a space at either end: OpenID Connect Core 1.0 §2 has subjects in ASCII, and what passes here
// goes into a header and a log line on the other tier.
const PRINTABLE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** `sub`: one to 255 printable ASCII characters. */
export function isSubject(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_SUBJECT_CHARACTERS && PRINTABLE.test(value);
}

/** A client id: printable ASCII. */
export function isClientId(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_CLIENT_ID_CHARACTERS && PRINTABLE.test(value);
}

/** `exp` (RFC 7519 §4.1.4): at or after it, plus the leeway, the token is over. It must be there. Times in seconds. */
export function checkExpiry(exp: unknown, now: number, leeway: number): Check {
  if (!isTime(exp)) return "unfit-claims";
  return now >= exp + leeway ? "expired" : null;
}

/** `nbf` (RFC 7519 §4.1.5), where there is one: before it, less the leeway, the token does not hold yet. */
export function checkNotBefore(nbf: unknown, now: number, leeway: number): Check {
  if (nbf === undefined) return null;
  if (!isTime(nbf)) return "unfit-claims";
  return nbf > now + leeway ? "not-yet-valid" : null;
}

/** `iat`: not in the future, and not longer before `exp` than any issuer's tokens live. */
export function checkIssuedAt(iat: unknown, exp: unknown, now: number, leeway: number): Check {
  if (!isTime(iat) || !isTime(exp)) return "unfit-claims";
  if (iat > now + leeway) return "not-yet-valid";
  return exp - iat > MAX_TOKEN_LIFE_SECONDS ? "unfit-claims" : null;
}

/** `aud` (RFC 7519 §4.1.3): the audience itself, or a list of texts that holds it. */
export function checkAudience(aud: unknown, audience: string): Check {
  const values: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (values.some((value) => typeof value !== "string")) return "wrong-audience";
  return values.includes(audience) ? null : "wrong-audience";
}

/** A NumericDate as a whole number; RFC 7519 allows fractions, which no issuer here sends. */
function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value);
}
