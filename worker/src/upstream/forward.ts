import { MAX_PROBLEM_BYTES } from "../constants";
import { backendTimeout, gatewayFault, type Refusal } from "../problems/refusal";
import { LATE, within } from "../support/deadline";
import { readText } from "../support/documents";
import { member, parseJsonObject } from "../support/json";
import { err, ok, type Result } from "../support/result";
import { type OnwardRequest, send } from "./send";
import { judgeHead } from "./verdict";

/** What the client gets of Apigee's answer. */
export interface Answer {
  /** Apigee's answer: its head, and the other end of the connection where it became a WebSocket. */
  readonly head: Response;
  /** The body, or what was read of it. */
  readonly body: ReadableStream | string | null;
}

/** How Apigee refused the internal token; `edge-key-unknown`: it does not have the key that signed it. */
export type TokenRefusal = "edge-token-required" | "edge-token-invalid" | "edge-key-unknown";

const TOKEN_REFUSALS: readonly TokenRefusal[] = ["edge-token-required", "edge-token-invalid", "edge-key-unknown"];

/** Why there is no answer of Apigee to hand on. */
export interface UpstreamFault {
  readonly refusal: Refusal;
  /** The status of Apigee's answer; null where there was none. */
  readonly upstreamStatus: number | null;
  /** How Apigee refused the internal token, if it did: logged, not told. */
  readonly tokenRefusal: TokenRefusal | null;
}

/**
 * Forwards a request to Apigee and streams its answer back, redirects included. The time limit, in milliseconds, is for
 * the head of the answer, and as much again for a problem that has to be read; another body may take longer.
 */
export async function forward(
  request: OnwardRequest,
  limitMs: number,
  problemTypes: string,
): Promise<Result<Answer, UpstreamFault>> {
  const response = await send(request, limitMs);
  if (!response.ok) return err({ refusal: response.error, upstreamStatus: null, tokenRefusal: null });
  const { status, headers } = response.value;
  const verdict = judgeHead(status, headers.get("content-type"), request.method);
  switch (verdict.kind) {
    case "pass":
      return ok({ head: response.value, body: response.value.body });
    case "replace":
      await response.value.body?.cancel();
      return err({ refusal: verdict.refusal, upstreamStatus: status, tokenRefusal: null });
    case "inspect":
      return inspect(response.value, limitMs, problemTypes);
  }
}

/** Tells a refused internal token, which is the gateway's own fault, from a 401 that the API gave. */
async function inspect(response: Response, limitMs: number, problemTypes: string): Promise<Result<Answer, UpstreamFault>> {
  const document = await within(readText(response, MAX_PROBLEM_BYTES).catch(() => undefined), limitMs);
  if (document === LATE) return err({ refusal: backendTimeout(), upstreamStatus: response.status, tokenRefusal: null });
  const tokenRefusal = document === undefined ? null : tokenRefusalOf(document, problemTypes);
  if (document === undefined || tokenRefusal !== null) {
    return err({ refusal: gatewayFault(), upstreamStatus: response.status, tokenRefusal });
  }
  // What was read is decoded, and may be longer than what was sent.
  const head = new Response(null, response);
  head.headers.delete("content-length");
  return ok({ head, body: document });
}

function tokenRefusalOf(document: string, problemTypes: string): TokenRefusal | null {
  const type = member(parseJsonObject(document) ?? {}, "type");
  return TOKEN_REFUSALS.find((slug) => type === `${problemTypes}/${slug}`) ?? null;
}
