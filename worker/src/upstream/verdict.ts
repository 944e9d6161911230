import { type Refusal, backendTimeout, backendUnavailable, gatewayFault } from "../problems/refusal";

/** What becomes of an answer of Apigee by its head: handed on, replaced, or its body must be looked at first. */
export type HeadVerdict =
  | { readonly kind: "pass" }
  | { readonly kind: "replace"; readonly refusal: Refusal }
  | { readonly kind: "inspect" };

/** Statuses that Cloudflare itself answers with for an origin: it cannot be reached at all. */
const UNREACHABLE = new Set([521, 522, 523, 530]);
/** The origin took the connection and did not answer. */
const NO_ANSWER = 524;

const PASS: HeadVerdict = { kind: "pass" };
const INSPECT: HeadVerdict = { kind: "inspect" };

/**
 * Decides by status and type. A 5xx is handed on only as a problem that Apigee made; a 500 never is. A 401 problem may
 * be Apigee's refusal of the internal token, of which the client is not guilty; a HEAD's answer has no body to tell by,
 * and a 401 problem is taken for that.
 */
export function judgeHead(status: number, contentType: string | null, method: string): HeadVerdict {
  const isProblem = /^application\/problem\+json\s*(?:;|$)/i.test(contentType ?? "");
  if (status === 401 && isProblem) return method === "HEAD" ? { kind: "replace", refusal: gatewayFault() } : INSPECT;
  if (status < 500) return PASS;
  if (UNREACHABLE.has(status)) return { kind: "replace", refusal: backendUnavailable() };
  if (status === NO_ANSWER) return { kind: "replace", refusal: backendTimeout() };
  return isProblem && status !== 500 ? PASS : { kind: "replace", refusal: gatewayFault() };
}
