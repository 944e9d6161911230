import { backendTimeout, backendUnavailable, bodyTooLarge, type Refusal } from "../problems/refusal";
import { err, ok, type Result } from "../support/result";
import { limitBody } from "./body_limit";

/** The request as it goes on to Apigee. */
export interface OnwardRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  /** Streamed, never held. */
  readonly body: ReadableStream | null;
  /** Bytes that the body may have. */
  readonly maxBodyBytes: number;
}

/** Methods that do the same when done twice (RFC 9110 §9.2.2). */
const IDEMPOTENT = new Set(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"]);

/** Statuses that Cloudflare itself answers with where a connection to the origin could not be made. */
const UNREACHABLE = new Set([521, 522, 523, 530]);

/**
 * Sends a request and returns the head of its answer, redirects included, within a time limit in milliseconds.
 *
 * Where no byte of an answer came and time is left, it is sent once more, if that can do no harm: the method is
 * idempotent, and there is no body, which would have to be held for that. A time limit that ran out is not tried again.
 */
export async function send(request: OnwardRequest, limitMs: number): Promise<Result<Response, Refusal>> {
  const startedAt = Date.now();
  const first = await once(request, limitMs);
  const left = limitMs - (Date.now() - startedAt);
  if (!hasFailedEarly(first) || left <= 0 || !isRepeatable(request)) return first;
  await (first.ok ? first.value.body?.cancel() : undefined);
  return once(request, left);
}

/** Whether a request can be sent again as it is. */
export function isResendable({ body, headers }: OnwardRequest): boolean {
  return body === null && !headers.has("upgrade");
}

function isRepeatable(request: OnwardRequest): boolean {
  return IDEMPOTENT.has(request.method) && isResendable(request);
}

function hasFailedEarly(sent: Result<Response, Refusal>): boolean {
  return sent.ok ? UNREACHABLE.has(sent.value.status) : sent.error.slug === "backend-unavailable";
}

async function once(
  { url, method, headers, body, maxBodyBytes }: OnwardRequest,
  limitMs: number,
): Promise<Result<Response, Refusal>> {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort();
  };
  const timer = setTimeout(abort, limitMs);
  // The runtime holds a body to its Content-Length; what is sent without one is counted on its way.
  const counted = body === null || headers.has("content-length") ? null : limitBody(body, maxBodyBytes, abort);
  try {
    const signal = controller.signal;
    return ok(await fetch(url, { method, headers, body: counted?.body ?? body, redirect: "manual", signal }));
  } catch {
    if (counted?.isExceeded() === true) return err(bodyTooLarge());
    return err(controller.signal.aborted ? backendTimeout() : backendUnavailable());
  } finally {
    clearTimeout(timer);
  }
}
