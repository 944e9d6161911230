/** One kind of refusal or failure. */
export interface ProblemKind {
  /** The HTTP status, unless a refusal gives another of its kind. */
  readonly status: number;
  /** The short text of the kind, the same in every answer (RFC 9457 §3.1.4). */
  readonly title: string;
  /** `deny`: the caller may not; `error`: the gateway cannot. */
  readonly decision: "deny" | "error";
  /** The type URI, where it is a registered one and not the contract's. */
  readonly type?: string;
  /** The WWW-Authenticate challenge, unless a refusal gives another. */
  readonly challenge: Challenge;
}

/**
 * A WWW-Authenticate challenge: `bare` names no error, since the caller showed no credentials to be wrong (RFC 6750
 * §3.1); another text is the error code; null sends no challenge.
 */
export type Challenge =
  | "bare"
  | "invalid_request"
  | "invalid_token"
  | "insufficient_scope"
  | "invalid_dpop_proof"
  | "use_dpop_nonce"
  | null;

/** Every way the edge answers by itself. The slugs are API: clients and audit readers key on them. */
export const PROBLEMS = {
  "no-credentials": {
    status: 401,
    title: "Credentials are required",
    decision: "deny",
    challenge: "bare",
  },
  "invalid-request": {
    status: 400,
    title: "The request is malformed",
    decision: "deny",
    challenge: null,
  },
  "invalid-token": {
    status: 401,
    title: "The token is not accepted",
    decision: "deny",
    challenge: "invalid_token",
  },
  "invalid-dpop-proof": {
    status: 401,
    title: "The proof of possession is not accepted",
    decision: "deny",
    challenge: "invalid_dpop_proof",
  },
  "dpop-nonce-required": {
    status: 401,
    title: "The proof of possession needs this gateway's nonce",
    decision: "deny",
    challenge: "use_dpop_nonce",
  },
  "insufficient-role": {
    status: 403,
    title: "The caller lacks the role",
    decision: "deny",
    challenge: "insufficient_scope",
  },
  "consumer-not-entitled": {
    status: 403,
    title: "The application may not use this API product",
    decision: "deny",
    challenge: null,
  },
  "operation-not-found": { status: 404, title: "No such operation", decision: "deny", challenge: null },
  "method-not-allowed": {
    status: 405,
    title: "The method is not allowed here",
    decision: "deny",
    challenge: null,
  },
  "origin-not-allowed": { status: 403, title: "This page may not call", decision: "deny", challenge: null },
  "quota-exceeded": {
    status: 429,
    title: "The quota is used up",
    decision: "deny",
    // draft-ietf-httpapi-ratelimit-headers-11, as at Apigee.
    type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
    challenge: null,
  },
  "request-too-large": { status: 413, title: "The request is too large", decision: "deny", challenge: null },
  "keys-unavailable": {
    status: 503,
    title: "The issuer's keys cannot be had",
    decision: "error",
    challenge: null,
  },
  "introspection-unavailable": {
    status: 503,
    title: "The issuer cannot be asked about the token",
    decision: "error",
    challenge: null,
  },
  "dpop-unavailable": {
    status: 503,
    title: "The proof of possession cannot be checked",
    decision: "error",
    challenge: null,
  },
  "backend-unavailable": {
    status: 503,
    title: "The API cannot be reached",
    decision: "error",
    challenge: null,
  },
  "backend-timeout": {
    status: 504,
    title: "The API did not answer in time",
    decision: "error",
    challenge: null,
  },
  "gateway-fault": { status: 502, title: "The gateway failed", decision: "error", challenge: null },
} as const satisfies Readonly<Record<string, ProblemKind>>;

/** The stable name of a kind of problem; its type URI is the contract's `api.problems`, `/` and this. */
export type ProblemSlug = keyof typeof PROBLEMS;
