import { compactVerify } from "jose";
import { type Caller, callerOfJwt, type Moment } from "../claims/caller";
import { PROFILES } from "../claims/profiles";
import { type NoKey } from "../keys/issuer_keys";
import { type VerificationKey } from "../keys/verification_key";
import { type IssuerPolicy } from "../policy/table";
import { err, ok, type Result } from "../support/result";
import { type CompactToken } from "./compact";
import { type TokenFault } from "./fault";

/** An issuer and a way to its keys. */
export interface TrustedIssuer {
  readonly policy: IssuerPolicy;
  readonly findKey: (kid: string) => Promise<Result<VerificationKey, NoKey>>;
  /** The key that has taken the place of one, under the same id; null where none has. */
  readonly replacementOf: (key: VerificationKey) => Promise<VerificationKey | null>;
}

/** A verified JWT: who calls, and the key that says so. */
export interface Verified {
  readonly caller: Caller;
  readonly key: VerificationKey;
  /** Whether somebody else verified it. */
  readonly isRecalled: boolean;
}

/** What somebody else, trusted as this isolate is, found out about the same token and key; null where nobody did. */
export type Recall = (key: VerificationKey) => Promise<Caller | null>;

/**
 * Verifies a JWT of the issuer that it names: first whether that issuer signs like this, then the signature by a key of
 * that issuer, then the claims. `unavailable`: the key cannot be had, so nothing is known about the token.
 */
export async function verifyJwt(
  token: CompactToken,
  issuer: TrustedIssuer,
  moment: Moment,
  recall: Recall,
): Promise<Result<Verified, TokenFault | "unavailable">> {
  const unlike = unlikeIssuer(token, issuer.policy);
  if (unlike !== null) return err(unlike);
  const found = await issuer.findKey(token.kid);
  if (!found.ok) return err(found.error === "unavailable" ? "unavailable" : "untrusted");
  // The key decides about the algorithm; a header that says another is lying about one of them (RFC 8725 §3.1).
  if (found.value.algorithm !== token.algorithm) return err("untrusted");
  const recalled = await recall(found.value);
  if (recalled !== null) return ok({ caller: recalled, key: found.value, isRecalled: true });
  const key = await signingKey(token, found.value, issuer);
  if (key === null) return err("untrusted");
  const caller = callerOfJwt(token.claims, token.kid, issuer.policy, moment);
  return caller.ok ? ok({ caller: caller.value, key, isRecalled: false }) : caller;
}

/** The key that signed the token: the one that is known, or the one that took its place under the same id; else null. */
async function signingKey(
  { algorithm, compact }: CompactToken,
  known: VerificationKey,
  { replacementOf }: TrustedIssuer,
): Promise<VerificationKey | null> {
  if (await isSignedBy(known, compact)) return known;
  const other = await replacementOf(known);
  return other?.algorithm === algorithm && (await isSignedBy(other, compact)) ? other : null;
}

/** Why the header is not one of the issuer's; null where it may be. */
function unlikeIssuer({ type, algorithm }: CompactToken, issuer: IssuerPolicy): TokenFault | null {
  if (!PROFILES[issuer.profile].types.has(type)) return "wrong-kind";
  const allowed: readonly string[] = issuer.algorithms;
  return allowed.includes(algorithm) ? null : "untrusted";
}

async function isSignedBy({ key, algorithm }: VerificationKey, compact: string): Promise<boolean> {
  try {
    await compactVerify(compact, key, { algorithms: [algorithm] });
    return true;
  } catch {
    return false;
  }
}
