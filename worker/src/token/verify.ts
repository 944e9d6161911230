import { compactVerify } from "jose";
import { type Caller, callerOfJwt, type Moment } from "../claims/caller";
import { PROFILES } from "../claims/profiles";
import { type NoKey } from "../keys/issuer_keys";
import { type VerificationKey } from "../keys/verification_key";
import { type IssuerPolicy } from "../policy/table";
import { member } from "../support/json";
import { err, ok, type Result } from "../support/result";
import { type CompactToken, parseCompact } from "./compact";
import { type TokenFault } from "./fault";

/** An issuer and a way to its keys. */
export interface TrustedIssuer {
  readonly policy: IssuerPolicy;
  readonly findKey: (kid: string) => Promise<Result<VerificationKey, NoKey>>;
}

/** A token that may be verified: what it says of itself fits the issuer that it names. */
interface Candidate {
  readonly token: CompactToken;
  readonly issuer: TrustedIssuer;
}

/**
 * Verifies a JWT: first its bytes, then whether its issuer signs like this, then the signature by a key of that issuer,
 * then its claims. `unavailable`: the key cannot be had, so nothing is known about the token.
 */
export async function verifyJwt(
  token: string,
  issuers: (iss: unknown) => TrustedIssuer | undefined,
  moment: Moment,
): Promise<Result<Caller, TokenFault | "unavailable">> {
  const candidate = examine(token, issuers);
  if (!candidate.ok) return candidate;
  const { token: parsed, issuer } = candidate.value;
  const key = await issuer.findKey(parsed.kid);
  if (!key.ok) return err(key.error === "unavailable" ? "unavailable" : "untrusted");
  // The key decides about the algorithm; a header that says another is lying about one of them (RFC 8725 §3.1).
  if (key.value.algorithm !== parsed.algorithm || !(await isSignedBy(key.value, parsed))) return err("untrusted");
  return callerOfJwt(parsed.claims, issuer.policy, moment);
}

function examine(
  token: string,
  issuers: (iss: unknown) => TrustedIssuer | undefined,
): Result<Candidate, TokenFault> {
  const parsed = parseCompact(token);
  if (parsed === undefined) return err("malformed");
  const issuer = issuers(member(parsed.claims, "iss"));
  if (issuer === undefined) return err("untrusted");
  if (!PROFILES[issuer.policy.profile].types.has(parsed.type)) return err("wrong-kind");
  const allowed: readonly string[] = issuer.policy.algorithms;
  return allowed.includes(parsed.algorithm) ? ok({ token: parsed, issuer }) : err("untrusted");
}

async function isSignedBy({ key, algorithm }: VerificationKey, { compact }: CompactToken): Promise<boolean> {
  try {
    await compactVerify(compact, key, { algorithms: [algorithm] });
    return true;
  } catch {
    return false;
  }
}
