/**
 * A key for HMAC-SHA-256, derived from a secret for one purpose (RFC 5869), so that no two uses of the secret meet.
 */
export async function macKey(secret: string, purpose: string): Promise<CryptoKey> {
  const encoder = new TextEncoder();
  const source = await crypto.subtle.importKey("raw", encoder.encode(secret), "HKDF", false, ["deriveKey"]);
  const derivation = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: encoder.encode(purpose) };
  return crypto.subtle.deriveKey(derivation, source, { name: "HMAC", hash: "SHA-256", length: 256 }, false, ["sign", "verify"]);
}
