import { type ExceededLimit, type Refusal } from "./refusal";
import { type ProblemKind, PROBLEMS } from "./taxonomy";

/** What every problem of one gateway has in common. */
export interface ProblemContext {
  /** The URL that problem types begin with; null where the contract could not be read. */
  readonly types: string | null;
  /** The realm of challenges: the public URL of the gateway. */
  readonly realm: string;
  /** The algorithms of DPoP proofs, where the gateway takes them; else null. */
  readonly dpop: readonly string[] | null;
  /** The trace id, 32 hexadecimal digits. */
  readonly traceId: string;
  /** Whether the request was a HEAD, whose answer has no body (RFC 9110 §9.3.2). */
  readonly head: boolean;
}

/** The HTTP status of a refusal. */
export function statusOf(refusal: Refusal): number {
  return refusal.status ?? PROBLEMS[refusal.slug].status;
}

/** The answer to a refusal: `application/problem+json` (RFC 9457) with the challenge of RFC 6750 §3. */
export function problemResponse(refusal: Refusal, context: ProblemContext): Response {
  const status = statusOf(refusal);
  const headers = new Headers({
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    "x-request-id": context.traceId,
  });
  const challenge = challengeOf(refusal, context);
  if (challenge !== null) headers.set("www-authenticate", challenge);
  if (refusal.dpopNonce !== undefined) headers.set("dpop-nonce", refusal.dpopNonce);
  if (refusal.allow !== undefined) headers.set("allow", refusal.allow.join(", "));
  if (refusal.retryAfterSeconds !== undefined) headers.set("retry-after", String(refusal.retryAfterSeconds));
  if (refusal.limit !== undefined) setLimit(headers, refusal.limit);
  const document = JSON.stringify({
    type: typeOf(refusal, context.types),
    title: PROBLEMS[refusal.slug].title,
    status,
    detail: refusal.detail,
    ...(refusal.limit === undefined ? {} : { "violated-policies": [refusal.limit.policy] }),
    trace_id: context.traceId,
  });
  if (context.head) headers.set("content-length", String(new TextEncoder().encode(document).length));
  return new Response(context.head ? null : document, { status, headers });
}

function typeOf({ slug }: Refusal, types: string | null): string {
  const kind: ProblemKind = PROBLEMS[slug];
  // RFC 9457 §4.2.1: about:blank where there is no type of our own.
  return kind.type ?? (types === null ? "about:blank" : `${types}/${slug}`);
}

/** The fields of draft-ietf-httpapi-ratelimit-headers-11; names are of letters, digits and `-`, so need no escaping. */
function setLimit(headers: Headers, { policy, requests, seconds, resetSeconds }: ExceededLimit): void {
  headers.set("ratelimit-policy", `"${policy}";q=${requests};w=${seconds}`);
  headers.set("ratelimit", `"${policy}";r=0;t=${resetSeconds}`);
}

/** The challenges of a refusal: by RFC 6750 §3, and by RFC 9449 §7.1 where the gateway takes DPoP proofs. */
function challengeOf(refusal: Refusal, { realm, dpop }: ProblemContext): string | null {
  const challenge = refusal.challenge === undefined ? PROBLEMS[refusal.slug].challenge : refusal.challenge;
  if (challenge === null) return null;
  const error = challenge === "bare" ? [] : [["error", challenge], ["error_description", refusal.detail]] as const;
  const scope = refusal.roles === undefined ? [] : [["scope", refusal.roles.join(" ")]] as const;
  const parameters = [["realm", realm], ...error, ...scope] as const;
  const algs = dpop === null ? [] : [["algs", dpop.join(" ")]] as const;
  if (challenge === "invalid_dpop_proof" || challenge === "use_dpop_nonce") return written("DPoP", [...parameters, ...algs]);
  const bearer = written("Bearer", parameters);
  return dpop === null || statusOf(refusal) !== 401 ? bearer : `${bearer}, ${written("DPoP", algs)}`;
}

function written(scheme: string, parameters: readonly (readonly [string, string])[]): string {
  return `${scheme} ${parameters.map(([name, value]) => `${name}="${quoted(value)}"`).join(", ")}`;
}

/** The inside of a quoted-string (RFC 9110 §5.6.4); error_description allows neither `"` nor `\` (RFC 6750 §3). */
function quoted(value: string): string {
  return value.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "");
}
