import { type ProblemSlug } from "../problems/taxonomy";

/** One request at one hop: exactly these members, null where unknown. The same on both tiers. */
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
  readonly operation: string | null;
  readonly method: string | null;
  /** The path template; a path itself may hold what must not be logged. */
  readonly route: string | null;
  readonly product: string | null;
  /** The consumer's key at Apigee, once the consumer is known. */
  readonly client_id: string | null;
  /** The issuer's name in the contract. */
  readonly issuer: string | null;
  /** A pseudonym, or `sub` where the contract says `plain`. */
  readonly subject: string | null;
  readonly roles: readonly string[];
  /** Of the internal token. */
  readonly kid: string | null;
  readonly ring_seq: number | null;
  /** The contract's version. */
  readonly contract: string | null;
  readonly status: number;
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
    operation: line.operation,
    method: line.method,
    route: line.route,
    product: line.product,
    client_id: line.client_id,
    issuer: line.issuer,
    subject: line.subject,
    roles: line.roles,
    kid: line.kid,
    ring_seq: line.ring_seq,
    contract: line.contract,
    status: line.status,
    upstream_status: line.upstream_status,
    duration_ms: line.duration_ms,
  };
  // eslint-disable-next-line no-console -- the one writer of audit lines
  console.log(JSON.stringify(written));
}
