import { type IssuerPolicy } from "../policy/table";
import { type Binding, bindingOf } from "../possession/binding";
import { type JsonObject, member } from "../support/json";
import { err, ok, type Result } from "../support/result";
import { type TokenFault } from "../token/fault";
import { type Check, checkAudience, checkExpiry, checkIssuedAt, checkNotBefore, isClientId, isSubject } from "./checks";
import { PROFILES } from "./profiles";
import { rolesOf } from "./roles";

/** Who is calling, as far as an accepted token says. */
export interface Caller {
  /** The name of the issuer in the contract. */
  readonly issuer: string;
  /** `sub`, as it is. */
  readonly subject: string;
  /** The client id at the issuer. */
  readonly clientId: string;
  /** Sorted. */
  readonly roles: readonly string[];
  /** When the token is over, in seconds since the epoch. */
  readonly expires: number;
  /** `jti`, where it is a text. */
  readonly tokenId: string | null;
  /** The key that signed the token; null where the issuer was asked about it. */
  readonly kid: string | null;
  /** What the sender must prove to have. */
  readonly binding: Binding;
}

/** The time against which claims are checked, both in seconds. */
export interface Moment {
  readonly now: number;
  readonly leeway: number;
}

/** Checks the claims of a JWT whose signature by the issuer's key `kid` is verified. */
export function callerOfJwt(
  claims: JsonObject,
  kid: string,
  issuer: IssuerPolicy,
  { now, leeway }: Moment,
): Result<Caller, TokenFault> {
  const profile = PROFILES[issuer.profile];
  const exp = member(claims, "exp");
  const fault =
    checkExpiry(exp, now, leeway) ??
    checkNotBefore(member(claims, "nbf"), now, leeway) ??
    checkIssuedAt(member(claims, "iat"), exp, now, leeway) ??
    checkAudience(member(claims, "aud"), issuer.audience) ??
    profile.check(claims, issuer) ??
    checkRequired(claims, profile.required);
  return fault === null ? caller(claims, kid, issuer, profile.clientId(claims)) : err(fault);
}

/**
 * Checks an introspection answer (RFC 7662 §2.2) that was fetched from the issuer itself. `iat` and `iss` may be
 * absent there; the client is `client_id` whatever the issuer's tokens call it.
 */
export function callerOfIntrospection(
  answer: JsonObject,
  issuer: IssuerPolicy,
  { now, leeway }: Moment,
): Result<Caller, TokenFault> {
  if (member(answer, "active") !== true) return err("inactive");
  const iss = member(answer, "iss");
  const issuers: readonly unknown[] = PROFILES[issuer.profile].issuers(issuer.issuer);
  if (iss !== undefined && !issuers.includes(iss)) return err("untrusted");
  const fault =
    checkExpiry(member(answer, "exp"), now, leeway) ??
    checkNotBefore(member(answer, "nbf"), now, leeway) ??
    checkAudience(member(answer, "aud"), issuer.audience);
  if (fault !== null) return err(fault);
  const found = caller(answer, null, issuer, member(answer, "client_id"));
  return found.ok && !suits(member(answer, "token_type"), found.value.binding) ? err("sender-constrained") : found;
}

function caller(
  claims: JsonObject,
  kid: string | null,
  issuer: IssuerPolicy,
  clientId: unknown,
): Result<Caller, TokenFault> {
  const binding = bindingOf(member(claims, "cnf"), issuer.sender_constraint);
  if (!binding.ok) return binding;
  const subject = member(claims, "sub");
  const expires = member(claims, "exp");
  const jti = member(claims, "jti");
  if (!isSubject(subject) || !isClientId(clientId) || typeof expires !== "number") return err("unfit-claims");
  const tokenId = typeof jti === "string" ? jti : null;
  const roles = rolesOf(claims, issuer);
  return ok({ issuer: issuer.name, subject, clientId, roles, expires, tokenId, kid, binding: binding.value });
}

function checkRequired(claims: JsonObject, required: readonly string[]): Check {
  const present = (name: string): boolean => typeof member(claims, name) === "string" && member(claims, name) !== "";
  return required.every(present) ? null : "unfit-claims";
}

/**
 * Whether `token_type` is that of a token bound like this one: `DPoP` where it is bound to a DPoP key (RFC 9449 §6.2),
 * else `Bearer`. The case does not matter (RFC 6749 §5.1); Okta says `Bearer`, others say nothing.
 */
function suits(tokenType: unknown, { dpopKey }: Binding): boolean {
  if (tokenType === undefined) return true;
  return typeof tokenType === "string" && tokenType.toLowerCase() === (dpopKey === null ? "bearer" : "dpop");
}
