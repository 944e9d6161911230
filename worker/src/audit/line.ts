import { type ProblemSlug } from "../problems/taxonomy";

/**
 * How it was found out who calls: `miss` by verifying the token, `isolate` and `kv` from what was found out before (`kv`
 * by another isolate), `introspected` by its issuer's word, `reused` as `isolate` and with the internal token of before.
 */
export type AuthCache = "miss" | "isolate" | "kv" | "introspected" | "reused";

/**
 * One request at one hop: exactly these members, null where unknown. The same on both tiers; docs/audit.md tells of each.
 * Where the OpenTelemetry semantic conventions have a name for a thing, it is called so.
 */
export interface AuditLine {
  /** RFC 3339, UTC, milliseconds: when the request came. */
  readonly ts: string;
  readonly hop: "edge";
  /** The stack. */
  readonly env: string | null;
  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_id: string | null;
  /** The transaction, where an internal token was made. */
  readonly txn: string | null;
  readonly decision: "allow" | "deny" | "error";
  /** `ok`, or the slug of the problem that was answered. */
  readonly reason: "ok" | ProblemSlug | "edge-token-required" | "edge-token-invalid" | "edge-key-unknown";
  /** The problem's slug; null where the request was allowed. */
  readonly "error.type": Exclude<AuditLine["reason"], "ok"> | null;
  readonly operation: string | null;
  readonly "http.request.method": string | null;
  /** The path template; a path itself may hold what must not be logged. */
  readonly "http.route": string | null;
  readonly product: string | null;
  /** The consumer's key at Apigee, once the consumer is known. */
  readonly client_id: string | null;
  /** The issuer's name in the contract. */
  readonly issuer: string | null;
  /** The subject's pseudonym. */
  readonly "user.hash": string | null;
  /** `sub`, where the contract says `plain`. */
  readonly "user.id": string | null;
  readonly "user.roles": readonly string[];
  /** Of the internal token. */
  readonly kid: string | null;
  readonly ring_seq: number | null;
  /** The contract's version. */
  readonly contract: string | null;
  /** How the client's token is signed. Of a verified token, as all of `auth`: nothing that a caller made up. */
  readonly "auth.alg": string | null;
  /** The key of the issuer that signed the client's token. */
  readonly "auth.kid": string | null;
  /** The first 128 bits of the SHA-256 of the client's token, by which the uses of one token are found. */
  readonly "auth.token_hash": string | null;
  readonly "auth.cache": AuthCache | null;
  readonly "http.response.status_code": number;
  readonly upstream_status: number | null;
  /** Milliseconds until the head of the answer. Workers' clock stands still between I/O, so CPU time is not in it. */
  readonly duration_ms: number;
}

/**
 * Writes the line. Its members are listed here once more, one by one: an object with more in it cannot get more logged.
 * JSON keeps every control character of a value escaped, so a line stays a line.
 */
export function writeAuditLine(line: AuditLine): void {
  const written: AuditLine = {
    ts: line.ts,
    hop: line.hop,
    env: line.env,
    trace_id: line.trace_id,
    span_id: line.span_id,
    parent_id: line.parent_id,
    txn: line.txn,
    decision: line.decision,
    reason: line.reason,
    "error.type": line["error.type"],
    operation: line.operation,
    "http.request.method": line["http.request.method"],
    "http.route": line["http.route"],
    product: line.product,
    client_id: line.client_id,
    issuer: line.issuer,
    "user.hash": line["user.hash"],
    "user.id": line["user.id"],
    "user.roles": line["user.roles"],
    kid: line.kid,
    ring_seq: line.ring_seq,
    contract: line.contract,
    "auth.alg": line["auth.alg"],
    "auth.kid": line["auth.kid"],
    "auth.token_hash": line["auth.token_hash"],
    "auth.cache": line["auth.cache"],
    "http.response.status_code": line["http.response.status_code"],
    upstream_status: line.upstream_status,
    duration_ms: line.duration_ms,
  };
  // eslint-disable-next-line no-console -- the one writer of audit lines
  console.log(JSON.stringify(written));
}
