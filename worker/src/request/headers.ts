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

/** RFC 9110 §5.1, token: what else stands in Connection names no header. */
const HEADER_NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;

/** Names of headers whose kind is remembered; APIs use some dozens. */
const MAX_REMEMBERED_NAMES = 500;
const MAX_REMEMBERED_NAME_LENGTH = 64;

/** Headers of Apigee's answer that are the gateway's own business. */
const INTERNAL_PREFIXES = ["x-identity-", "x-apigee-"];
const INTERNAL_HEADERS = new Set(["txn-token", "x-request-id", "traceparent", "tracestate"]);

/** What one look at a request's headers tells. */
export interface HeadersSeen {
  /** Bytes of all names and values. */
  readonly bytes: number;
  /** Names that do not go on: of the connection, and those that could pass for an identity, the client's token included. */
  readonly dropped: readonly string[];
}

/** Looks once at the headers that a client sent. */
export function lookAt(received: Headers): HeadersSeen {
  let bytes = 0;
  // The URL that is fetched says which host is meant; the trace is the edge's to continue.
  const dropped = ["host", "tracestate", ...connectionOptions(received)];
  for (const [name, value] of received) {
    bytes += name.length + value.length;
    if (staysHere(name)) dropped.push(name);
  }
  return { bytes, dropped };
}

/**
 * The headers to send on: what the client sent, less what is dropped, with the trace continued. Nothing that is dropped
 * is ever looked at to decide about the request.
 */
export function onwardHeaders({ method, headers: received }: Request, { dropped }: HeadersSeen, trace: Trace): Headers {
  const headers = new Headers(received);
  for (const name of dropped) headers.delete(name);
  // The only upgrade there is (RFC 6455 §4.1); the runtime makes the rest of its handshake anew.
  if (isWebSocket(method, received)) headers.set("upgrade", "websocket");
  headers.set("traceparent", traceparentOf(trace));
  if (trace.state !== null) headers.set("tracestate", trace.state);
  headers.set("x-request-id", trace.traceId);
  return headers;
}

/** Makes the headers to answer with of a copy of what Apigee answered: less those of the connection and the gateway's own. */
export function cleanAnswer(headers: Headers, received: Headers, traceId: string): void {
  for (const name of connectionOptions(received)) headers.delete(name);
  for (const name of received.keys()) if (isInternal(name)) headers.delete(name);
  headers.set("x-request-id", traceId);
}

/** Refuses a request whose headers are larger than Apigee takes; null if it may go on. */
export function headersRefusal({ bytes }: HeadersSeen): Refusal | null {
  return bytes > MAX_HEADER_BYTES ? headersTooLarge("The headers are larger than this API takes.") : null;
}

/** Refuses a request whose announced body is larger than `limit` bytes; null if it may go on. */
export function bodyRefusal(received: Headers, limit: number): Refusal | null {
  return Number(received.get("content-length") ?? 0) > limit ? bodyTooLarge() : null;
}

function isWebSocket(method: string, received: Headers): boolean {
  return method === "GET" && received.get("upgrade")?.toLowerCase() === "websocket";
}

/** Whether a header, named in lower case, ends at the edge. */
const staysHere = remembered((name) => HOP_HEADERS.has(name) || isIdentityHeader(name));

/** Whether a header of an answer, named in lower case, does not go to the client. */
const isInternal = remembered(
  (name) =>
    HOP_HEADERS.has(name) || INTERNAL_HEADERS.has(name) || INTERNAL_PREFIXES.some((prefix) => name.startsWith(prefix)),
);

/** Whether a header, named in lower case, could be taken for an identity. Backends that read CGI names take `_` for `-`. */
function isIdentityHeader(name: string): boolean {
  const plain = name.replaceAll("_", "-");
  return (
    IDENTITY_HEADERS.has(plain) ||
    IDENTITY_PREFIXES.some((prefix) => plain.startsWith(prefix)) ||
    IDENTITY_SUFFIX.test(plain)
  );
}

/** The same answers without the work: clients send the same few names again and again. */
function remembered(judge: (name: string) => boolean): (name: string) => boolean {
  const known = new Map<string, boolean>();
  return (name) => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const verdict = judge(name);
    // Names are the client's to choose: what does not fit is judged each time.
    if (known.size < MAX_REMEMBERED_NAMES && name.length <= MAX_REMEMBERED_NAME_LENGTH) known.set(name, verdict);
    return verdict;
  };
}

function connectionOptions(headers: Headers): readonly string[] {
  const options = headers.get("connection");
  if (options === null) return [];
  return options.split(",").flatMap((option) => {
    const name = option.trim().toLowerCase();
    return HEADER_NAME.test(name) ? [name] : [];
  });
}
