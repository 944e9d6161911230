import { base64url } from "jose";

const SHA256_HEX = /^[0-9a-f]{64}$/;

/**
 * The SHA-256 of the client certificate that the connection proves, as `x5t#S256` writes it (RFC 8705 §3.1); null where
 * there is none. Cloudflare checks the proof in the handshake and tells of it in `request.cf.tlsClientAuth`. The
 * certificate's own chain is the issuer's business (§2.2), but a revoked one proves nothing.
 */
export function certificateThumbprint(cf: unknown): string | null {
  const { tlsClientAuth } = (cf ?? {}) as { readonly tlsClientAuth?: Partial<IncomingRequestCfPropertiesTLSClientAuth> };
  const digest = tlsClientAuth?.certFingerprintSHA256?.toLowerCase() ?? "";
  const isProven = tlsClientAuth?.certPresented === "1" && tlsClientAuth.certRevoked !== "1";
  if (!isProven || !SHA256_HEX.test(digest)) return null;
  return base64url.encode(Uint8Array.from(digest.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)));
}
