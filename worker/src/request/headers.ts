import { MAX_HEADER_BYTES } from "../constants";
import { bodyTooLarge, headersTooLarge, type Refusal } from "../problems/refusal";
import { type Trace, traceparentOf } from "./trace";

/** Headers of one connection, which no intermediary hands on (RFC 9110 §7.6.1), beside those that Connection names. */
const HOP_HEADERS = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Headers by which some hop or backend could be told who is calling, where from, or for which method or path. */
const IDENTITY_HEADERS = new Set([
  "txn-token",
  "authorization",
  "dpop",
  "forwarded",
  "remote-user",
  "x-real-ip",
  "x-remote-user",
  "x-authenticated-user",
  "x-original-url",
  "x-rewrite-url",
  "x-http-method",
  "x-http-method-override",
  "x-method-override",
  "x-client-cert",
  "client-cert",
  "client-cert-chain",
]);
const IDENTITY_PREFIXES = ["x-identity-", "x-apigee-", "x-forwarded-", "x-auth-", "x-goog-", "x-ssl-", "x-client-cert-"];
const IDENTITY_SUFFIX = /^x-.*-identity$/;

/** Headers of Apigee's answer that are the gateway's own business. */
const INTERNAL_PREFIXES = ["x-identity-", "x-apigee-"];
const INTERNAL_HEADERS = new Set(["txn-token", "x-request-id", "traceparent", "tracestate"]);

/**
 * The headers to send on: what the client sent, less those of the connection, less everything that could pass for an
 * identity (its own token included), with the trace continued. Always done first, whatever is decided later.
 */
export function onwardHeaders({ method, headers: received }: Request, trace: Trace): Headers {
  const dropped = connectionOptions(received);
  const headers = new Headers();
  for (const [name, value] of received) {
    if (!HOP_HEADERS.has(name) && !dropped.has(name) && !isIdentityHeader(name)) headers.append(name, value);
  }
  // The URL that is fetched says which host is meant.
  headers.delete("host");
  // The only upgrade there is (RFC 6455 §4.1); the runtime makes the rest of its handshake anew.
  if (isWebSocket(method, received)) headers.set("upgrade", "websocket");
  headers.set("traceparent", traceparentOf(trace));
  headers.delete("tracestate");
  if (trace.state !== null) headers.set("tracestate", trace.state);
  headers.set("x-request-id", trace.traceId);
  return headers;
}

/** The headers to answer with: what Apigee answered, less those of the connection and the gateway's own. */
export function answerHeaders(received: Headers, traceId: string): Headers {
  const dropped = connectionOptions(received);
  const headers = new Headers();
  for (const [name, value] of received) {
    const internal = INTERNAL_HEADERS.has(name) || INTERNAL_PREFIXES.some((prefix) => name.startsWith(prefix));
    if (!HOP_HEADERS.has(name) && !dropped.has(name) && !internal) headers.append(name, value);
  }
  headers.set("x-request-id", traceId);
  return headers;
}

/** Refuses a request whose headers are larger than Apigee takes; null if it may go on. */
export function headersRefusal(received: Headers): Refusal | null {
  let bytes = 0;
  for (const [name, value] of received) bytes += name.length + value.length;
  return bytes > MAX_HEADER_BYTES ? headersTooLarge("The headers are larger than this API takes.") : null;
}

/** Refuses a request whose announced body is larger than `limit` bytes; null if it may go on. */
export function bodyRefusal(received: Headers, limit: number): Refusal | null {
  return Number(received.get("content-length") ?? 0) > limit ? bodyTooLarge() : null;
}

function isWebSocket(method: string, received: Headers): boolean {
  return method === "GET" && received.get("upgrade")?.toLowerCase() === "websocket";
}

/** Whether a header, named in lower case, could be taken for an identity. Backends that read CGI names take `_` for `-`. */
function isIdentityHeader(name: string): boolean {
  const plain = name.replaceAll("_", "-");
  return (
    IDENTITY_HEADERS.has(plain) ||
    IDENTITY_PREFIXES.some((prefix) => plain.startsWith(prefix)) ||
    IDENTITY_SUFFIX.test(plain)
  );
}

function connectionOptions(headers: Headers): ReadonlySet<string> {
  const options = headers.get("connection");
  return new Set(options === null ? [] : options.split(",").map((option) => option.trim().toLowerCase()));
}
