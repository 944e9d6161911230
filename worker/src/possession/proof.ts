import { base64url, calculateJwkThumbprint, compactVerify } from "jose";
import { DPOP_PROOF_SECONDS, MAX_PROOF_BYTES, MAX_PROOF_ID_CHARACTERS } from "../constants";
import { readPublicKey } from "../keys/verification_key";
import { type Algorithm, ALGORITHMS } from "../policy/table";
import { isJsonObject, type JsonObject, member } from "../support/json";
import { err, ok, type Result } from "../support/result";
import { readCompact } from "../token/compact";

/** Why a proof is not taken. */
export type ProofFault =
  | "missing"
  | "malformed"
  | "unfit-key"
  | "bad-signature"
  | "other-request"
  | "stale"
  | "other-token"
  | "other-key"
  | "replayed";

/** What a proof must be a proof of. */
export interface Claimed {
  /** The request's method. */
  readonly method: string;
  /** The request's URL. */
  readonly url: string;
  /** The access token. */
  readonly token: string;
  /** The thumbprint of the key that the token is bound to. */
  readonly keyThumbprint: string;
}

/** A proof that is one, as far as can be told without asking anybody. */
export interface Proof {
  /** SHA-256 of its `jti`, in base64url. */
  readonly id: string;
  readonly nonce: unknown;
  /** When it is over, in seconds since the epoch. */
  readonly expires: number;
}

/**
 * Checks a DPoP proof by RFC 9449 §4.3, all but the nonce and whether it was used before. `header` is the value of the
 * `DPoP` header; several lines of it are joined by a comma, which no proof holds. Times in seconds.
 */
export async function readProof(
  header: string | null,
  claimed: Claimed,
  { now, leeway }: { readonly now: number; readonly leeway: number },
): Promise<Result<Proof, ProofFault>> {
  if (header === null || header === "") return err("missing");
  const parts = readCompact(header, MAX_PROOF_BYTES, "jwk");
  if (parts?.type !== "dpop+jwt") return err("malformed");
  const signed = await verifySignature(header, member(parts.header, "jwk"), parts.algorithm);
  if (!signed.ok) return signed;
  if (signed.value !== claimed.keyThumbprint) return err("other-key");
  const fault = await faultOf(parts.claims, claimed, now, leeway);
  if (fault !== null) return err(fault);
  const { jti, iat, nonce } = parts.claims as { readonly jti: string; readonly iat: number; readonly nonce?: unknown };
  return ok({ id: await sha256(jti), nonce, expires: iat + DPOP_PROOF_SECONDS + leeway });
}

/** Verifies the proof by the public key that it carries, and gives that key's thumbprint (RFC 7638). */
async function verifySignature(compact: string, jwk: unknown, algorithm: string): Promise<Result<string, ProofFault>> {
  const allowed: readonly Algorithm[] = ALGORITHMS.filter((known) => known === algorithm);
  const key = isJsonObject(jwk) ? await readPublicKey(jwk, allowed) : undefined;
  if (key === undefined) return err("unfit-key");
  try {
    await compactVerify(compact, key.key, { algorithms: [key.algorithm] });
  } catch {
    return err("bad-signature");
  }
  return ok(await calculateJwkThumbprint(key.material));
}

async function faultOf(claims: JsonObject, claimed: Claimed, now: number, leeway: number): Promise<ProofFault | null> {
  const jti = member(claims, "jti");
  const iat = member(claims, "iat");
  if (typeof jti !== "string" || jti === "" || jti.length > MAX_PROOF_ID_CHARACTERS || !Number.isSafeInteger(iat)) return "malformed";
  if (member(claims, "htm") !== claimed.method || !isSameTarget(member(claims, "htu"), claimed.url)) return "other-request";
  const madeAt = iat as number;
  if (madeAt > now + leeway || now >= madeAt + DPOP_PROOF_SECONDS + leeway) return "stale";
  return member(claims, "ath") === (await sha256(claimed.token)) ? null : "other-token";
}

/** Compares two URLs without query and fragment, after the normalization that parsing does (RFC 9449 §4.3, 9). */
function isSameTarget(htu: unknown, url: string): boolean {
  if (typeof htu !== "string" || !URL.canParse(htu)) return false;
  const [one, other] = [new URL(htu), new URL(url)];
  return one.username === "" && one.password === "" && one.origin === other.origin && one.pathname === other.pathname;
}

async function sha256(text: string): Promise<string> {
  return base64url.encode(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}
