import { FAILED_FETCH_COOLDOWN_SECONDS, RETRY_AFTER_SECONDS } from "../constants";
import { type ProofFault } from "../possession/proof";
import { type TokenFault } from "../token/fault";
import { type Challenge, type ProblemSlug } from "./taxonomy";

/** Why the edge answers by itself. `detail` is for the caller: it says nothing of the inside and repeats no input. */
export interface Refusal {
  readonly slug: ProblemSlug;
  readonly detail: string;
  /** Where it is not the status of the kind. */
  readonly status?: number;
  /** Where it is not the challenge of the kind. */
  readonly challenge?: Challenge;
  /** `Retry-After`, in seconds. */
  readonly retryAfterSeconds?: number;
  /** `DPoP-Nonce`: what the next proof must hold (RFC 9449 §9). */
  readonly dpopNonce?: string;
  /** The roles of which any would do, as the `scope` of the challenge (RFC 6750 §3). */
  readonly roles?: readonly string[];
  /** The limit that was exceeded, for a 429. */
  readonly limit?: ExceededLimit;
  /** `Allow`: the methods of the path, for a 405 (RFC 9110 §15.5.6). */
  readonly allow?: readonly string[];
}

/** A limit (draft-ietf-httpapi-ratelimit-headers-11) of which nothing is left. */
export interface ExceededLimit {
  /** Its name. */
  readonly policy: string;
  readonly requests: number;
  /** The window. */
  readonly seconds: number;
  /** Until requests are welcome again. */
  readonly resetSeconds: number;
}

/** No credentials that this gateway takes. */
export function noCredentials(): Refusal {
  return { slug: "no-credentials", detail: "Send an access token as `Authorization: Bearer`." };
}

/** More than one set of credentials (RFC 6750 §3.1, invalid_request). */
export function ambiguousCredentials(): Refusal {
  return {
    slug: "invalid-request",
    detail: "Send one token, in one Authorization header and nowhere else.",
    challenge: "invalid_request",
  };
}

/** A path, method or header that cannot be read in one way only. */
export function invalidRequest(detail: string): Refusal {
  return { slug: "invalid-request", detail };
}

/** A header or the whole header block is too big (RFC 6585 §5). */
export function headersTooLarge(detail: string): Refusal {
  return { slug: "request-too-large", status: 431, detail };
}

/** The body is too big (RFC 9110 §15.5.14). */
export function bodyTooLarge(): Refusal {
  return { slug: "request-too-large", detail: "The body is larger than this API takes." };
}

/** The page that asks is none that may call. */
export function originNotAllowed(): Refusal {
  return { slug: "origin-not-allowed", detail: "Pages of this origin may not call this API." };
}

/** The application has sent too many requests to a product. */
export function quotaExceeded(limit: ExceededLimit): Refusal {
  return {
    slug: "quota-exceeded",
    detail: "The calling application has used up its quota of this API product.",
    retryAfterSeconds: limit.resetSeconds,
    limit,
  };
}

/** The path is none of the contract's. */
export function operationNotFound(): Refusal {
  return { slug: "operation-not-found", detail: "This API has no operation at this path." };
}

/** The path is known with other methods. */
export function methodNotAllowed(allow: readonly string[]): Refusal {
  return { slug: "method-not-allowed", detail: "This path has no operation with this method.", allow };
}

const TOKEN_DETAILS: Readonly<Record<TokenFault, string>> = {
  malformed: "The token is malformed.",
  // One text for an unknown issuer, an unknown key and a bad signature: which of them it is helps only a forger.
  untrusted: "The token was not issued for this API by an issuer it trusts.",
  expired: "The token has expired.",
  "not-yet-valid": "The token is not valid yet.",
  "wrong-audience": "The token is for another audience.",
  "wrong-kind": "The token is not of a kind that this API accepts.",
  "unfit-claims": "The token lacks a claim or holds one that is not acceptable.",
  "sender-constrained": "The token is bound to a key and cannot be used as a bearer token.",
  unbound: "The token is not bound to a key, as tokens of its issuer must be here.",
  "certificate-mismatch": "The token is bound to a certificate that this connection does not prove.",
  revoked: "The token has been revoked.",
  inactive: "The token is not active.",
};

/** The token is not accepted. */
export function invalidToken(fault: TokenFault): Refusal {
  return { slug: "invalid-token", detail: TOKEN_DETAILS[fault] };
}

const PROOF_DETAILS: Readonly<Record<ProofFault, string>> = {
  missing: "Send a proof of possession in one DPoP header.",
  malformed: "The proof of possession is malformed, or not one.",
  "unfit-key": "The key in the proof of possession is not one that this API accepts.",
  "bad-signature": "The proof of possession is not signed by the key in it.",
  "other-request": "The proof of possession is for another request.",
  stale: "The proof of possession was not made just now.",
  "other-token": "The proof of possession is for another token.",
  "other-key": "The proof of possession is by another key than the token is bound to.",
  replayed: "The proof of possession was used before.",
};

/** The proof of possession is not accepted (RFC 9449 §7.1). */
export function invalidDpopProof(fault: ProofFault): Refusal {
  return { slug: "invalid-dpop-proof", detail: PROOF_DETAILS[fault] };
}

/** The proof lacks a nonce of this gateway, or holds an old one (RFC 9449 §9). */
export function nonceRequired(nonce: string): Refusal {
  return {
    slug: "dpop-nonce-required",
    detail: "Make the proof of possession anew, with the nonce of this answer.",
    dpopNonce: nonce,
  };
}

/** Whether a proof was used before cannot be told now, so it is not taken (never a 401). */
export function dpopUnavailable(): Refusal {
  return {
    slug: "dpop-unavailable",
    detail: "The proof of possession cannot be checked now. Try again later with a new proof.",
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  };
}

/** The caller has none of the roles that open the operation. */
export function insufficientRole(roles: readonly string[]): Refusal {
  return { slug: "insufficient-role", detail: "None of the caller's roles opens this operation.", roles };
}

/** The application is unknown, another issuer's, or not subscribed to the operation's product. */
export function consumerNotEntitled(): Refusal {
  return { slug: "consumer-not-entitled", detail: "The application that the token was issued to may not use this." };
}

/** Keys that would decide about the token cannot be had, so nothing is said about the token (never a 401). */
export function keysUnavailable(): Refusal {
  return {
    slug: "keys-unavailable",
    detail: "The token cannot be checked now. Try again later with the same token.",
    retryAfterSeconds: FAILED_FETCH_COOLDOWN_SECONDS,
  };
}

/** The introspection endpoint cannot be asked (never a 401). */
export function introspectionUnavailable(): Refusal {
  return {
    slug: "introspection-unavailable",
    detail: "The token cannot be checked now. Try again later with the same token.",
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  };
}

/** Apigee cannot be reached. */
export function backendUnavailable(): Refusal {
  return {
    slug: "backend-unavailable",
    detail: "The API cannot be reached now. Try again later.",
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  };
}

/** Apigee was reached and did not answer in the contract's time. */
export function backendTimeout(): Refusal {
  return { slug: "backend-timeout", detail: "The API did not answer in time." };
}

/** Anything unexpected. `status` is 503 where the gateway is not fit to run at all. */
export function gatewayFault(status?: 503): Refusal {
  const refusal: Refusal = { slug: "gateway-fault", detail: "The request could not be completed." };
  return status === undefined ? refusal : { ...refusal, status, retryAfterSeconds: RETRY_AFTER_SECONDS };
}
