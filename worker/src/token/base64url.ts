import { base64url } from "jose";

const ALPHABET_ONLY = /^[A-Za-z0-9_-]+$/;

// The last character of a group of 2 carries 4 bits that must be zero, of a group of 3 it carries 2 (RFC 4648 §3.5).
const LAST_OF_TWO = /[AQgw]$/;
const LAST_OF_THREE = /[AEIMQUYcgkosw048]$/;

/**
 * Decodes base64url without padding (RFC 7515 §2), only in its one canonical spelling: with unused bits set, one token
 * would have sixteen spellings, each with a cache key of its own. `undefined` for anything else, and for no text.
 */
export function decodeCanonical(segment: string): Uint8Array | undefined {
  if (!ALPHABET_ONLY.test(segment)) return undefined;
  const rest = segment.length % 4;
  if (rest === 1) return undefined;
  if (rest === 2 && !LAST_OF_TWO.test(segment)) return undefined;
  if (rest === 3 && !LAST_OF_THREE.test(segment)) return undefined;
  return base64url.decode(segment);
}
