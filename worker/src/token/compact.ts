import { MAX_KID_BYTES, MAX_TOKEN_BYTES } from "../constants";
import { type JsonObject, member } from "../support/json";
import { decodeCanonical } from "./base64url";
import { parseStrictObject } from "./strict_json";

/** A signed JWT (RFC 7519, compact JWS) whose bytes have one reading. Nothing in it is verified yet. */
export interface CompactToken {
  /** The token as it was sent. */
  readonly compact: string;
  readonly algorithm: string;
  readonly kid: string;
  /** `typ` in lower case, without a leading `application/` (RFC 7515 §4.1.9); null where the header has none. */
  readonly type: string | null;
  readonly claims: JsonObject;
}

/**
 * Header members that are refused wherever they stand. Key-bearing ones would let a token choose its own key
 * (RFC 8725 §3.10) or make the edge fetch a URL; `crit` and `b64` change what is signed, and no extension is understood
 * here (RFC 7515 §4.1.11, RFC 7797); the rest belong to encryption (JWE), where their work could be without bounds.
 */
const REFUSED_MEMBERS = ["jwk", "jku", "x5u", "x5c", "crit", "b64", "enc", "zip", "p2c", "p2s", "epk", "apu", "apv"];

/** The two JSON parts of a compact JWS, and what every kind of token has in its header. Nothing is verified yet. */
export interface CompactParts {
  readonly header: JsonObject;
  readonly algorithm: string;
  /** `typ` in lower case, without a leading `application/` (RFC 7515 §4.1.9); null where the header has none. */
  readonly type: string | null;
  readonly claims: JsonObject;
}

// Printable ASCII: what every issuer uses, and nothing that could end a line of a log.
const KID = /^[\x21-\x7e]+$/;
const MEDIA_TYPE = /^[A-Za-z0-9!#$&^_.+/-]{1,64}$/;

// `eyJ` is base64url of `{"`.
const JOSE_SEGMENT = /(?:^|\.)eyJ/;

/** Whether a token claims to be JOSE rather than opaque: a segment begins like an object, or it has a JWS's or JWE's dots. */
export function looksLikeJose(token: string): boolean {
  const segments = token.split(".").length;
  return segments === 3 || segments === 5 || JOSE_SEGMENT.test(token);
}

/**
 * Reads a compact JWS strictly, before any cryptography (draft-ietf-oauth-rfc8725bis, "Check JWT Format"): size, three
 * segments, canonical base64url, UTF-8, no member twice, no refused header member. `undefined` for anything else.
 *
 * @param longest - bytes, at most.
 * @param keyBearing - the one key-bearing member that this kind of token has to have.
 */
export function readCompact(compact: string, longest: number, keyBearing?: "jwk"): CompactParts | undefined {
  if (compact.length > longest) return undefined;
  const [first, second, third, ...more] = compact.split(".");
  if (first === undefined || second === undefined || third === undefined || more.length > 0) return undefined;
  const header = readSegment(first);
  const claims = readSegment(second);
  if (header === undefined || claims === undefined || decodeCanonical(third) === undefined) return undefined;
  if (REFUSED_MEMBERS.some((name) => name !== keyBearing && Object.hasOwn(header, name))) return undefined;
  const algorithm = member(header, "alg");
  const type = mediaType(member(header, "typ"));
  return typeof algorithm === "string" && type !== undefined ? { header, algorithm, type, claims } : undefined;
}

/** Reads a client's token, which names its key by a key id. `undefined` where it cannot be read in one way only. */
export function parseCompact(compact: string): CompactToken | undefined {
  const parts = readCompact(compact, MAX_TOKEN_BYTES);
  if (parts === undefined) return undefined;
  const kid = member(parts.header, "kid");
  if (typeof kid !== "string" || kid.length > MAX_KID_BYTES || !KID.test(kid)) return undefined;
  const { algorithm, type, claims } = parts;
  return { compact, algorithm, kid, type, claims };
}

function readSegment(segment: string): JsonObject | undefined {
  const bytes = decodeCanonical(segment);
  return bytes === undefined ? undefined : parseStrictObject(bytes);
}

function mediaType(typ: unknown): string | null | undefined {
  if (typ === undefined) return null;
  if (typeof typ !== "string" || !MEDIA_TYPE.test(typ)) return undefined;
  return typ.toLowerCase().replace(/^application\//, "");
}
