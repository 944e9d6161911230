import { type IssuerPolicy } from "../policy/table";
import { type JsonObject, member } from "../support/json";
import { err, ok, type Result } from "../support/result";
import { type TokenFault } from "../token/fault";
import {
  type Check,
  checkAudience,
  checkExpiry,
  checkIssuedAt,
  checkNotBefore,
  checkUnbound,
  isClientId,
  isSubject,
} from "./checks";
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
}

/** The time against which claims are checked, both in seconds. */
export interface Moment {
  readonly now: number;
  readonly leeway: number;
}

/** Checks the claims of a JWT whose signature by the issuer is verified. */
export function callerOfJwt(claims: JsonObject, issuer: IssuerPolicy, { now, leeway }: Moment): Result<Caller, TokenFault> {
  const profile = PROFILES[issuer.profile];
  const exp = member(claims, "exp");
  const fault =
    checkExpiry(exp, now, leeway) ??
    checkNotBefore(member(claims, "nbf"), now, leeway) ??
    checkIssuedAt(member(claims, "iat"), exp, now, leeway) ??
    checkAudience(member(claims, "aud"), issuer.audience) ??
    checkUnbound(member(claims, "cnf")) ??
    checkRequired(claims, profile.required);
  return fault === null ? caller(claims, issuer, profile.clientId(claims)) : err(fault);
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
    checkAudience(member(answer, "aud"), issuer.audience) ??
    checkUnbound(member(answer, "cnf")) ??
    checkTokenType(member(answer, "token_type"));
  return fault === null ? caller(answer, issuer, member(answer, "client_id")) : err(fault);
}

function caller(claims: JsonObject, issuer: IssuerPolicy, clientId: unknown): Result<Caller, TokenFault> {
  const subject = member(claims, "sub");
  const expires = member(claims, "exp");
  if (!isSubject(subject) || !isClientId(clientId) || typeof expires !== "number") return err("unfit-claims");
  return ok({ issuer: issuer.name, subject, clientId, roles: rolesOf(claims, issuer), expires });
}

function checkRequired(claims: JsonObject, required: readonly string[]): Check {
  const present = (name: string): boolean => typeof member(claims, name) === "string" && member(claims, name) !== "";
  return required.every(present) ? null : "unfit-claims";
}

/** The scheme is case-insensitive (RFC 6750); Okta says `Bearer`, others say nothing. */
function checkTokenType(tokenType: unknown): Check {
  if (tokenType === undefined) return null;
  return typeof tokenType === "string" && tokenType.toLowerCase() === "bearer" ? null : "sender-constrained";
}
