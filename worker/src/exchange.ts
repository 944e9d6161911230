import { type Dataset, writeDataPoint } from "./audit/data_point";
import { type AuditLine, writeAuditLine } from "./audit/line";
import { type Refusal } from "./problems/refusal";
import { statusOf } from "./problems/response";
import { PROBLEMS } from "./problems/taxonomy";
import { continueTrace, type Trace } from "./request/trace";

/** What becomes known of a request on its way, as its audit line tells it. */
export type Findings = Pick<
  AuditLine,
  | "txn"
  | "operation"
  | "http.route"
  | "product"
  | "client_id"
  | "issuer"
  | "user.hash"
  | "user.id"
  | "user.roles"
  | "kid"
  | "auth.alg"
  | "auth.kid"
  | "auth.token_hash"
  | "auth.cache"
  | "upstream_status"
>;

/** What is known of a request when it comes. */
const NOTHING: Findings = {
  txn: null,
  operation: null,
  "http.route": null,
  product: null,
  client_id: null,
  issuer: null,
  "user.hash": null,
  "user.id": null,
  "user.roles": [],
  kid: null,
  "auth.alg": null,
  "auth.kid": null,
  "auth.token_hash": null,
  "auth.cache": null,
  upstream_status: null,
};

/** What is the same in every line of one Worker version; all null where its bindings could not be read. */
export interface Setting {
  readonly env: string | null;
  readonly ring_seq: number | null;
  readonly contract: string | null;
}

/** How a request ended. */
export interface Ending {
  readonly decision: AuditLine["decision"];
  readonly reason: AuditLine["reason"];
  readonly status: number;
}

/** An unknown method may be anything the client sent; only these are logged as they are (RFC 9110 §9, RFC 5789). */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]);

/** One request and its answer: its trace, what is found out on its way, and its one audit line. */
export class Exchange {
  readonly trace: Trace;
  readonly #method: string;
  readonly #startedAt = Date.now();
  readonly #findings: Findings = { ...NOTHING };

  constructor(request: Request) {
    this.#method = request.method;
    this.trace = continueTrace(request.headers.get("traceparent"), request.headers.get("tracestate"), (count) =>
      crypto.getRandomValues(new Uint8Array(count)),
    );
  }

  /** Notes what became known. */
  found(findings: Partial<Findings>): void {
    Object.assign(this.#findings, findings);
  }

  /** Writes and returns the audit line, and its data point where there is a dataset. Called once, whatever happened. */
  end({ decision, reason, status }: Ending, setting: Setting, dataset: Dataset | null): AuditLine {
    const line: AuditLine = {
      ...this.#findings,
      ...setting,
      ts: new Date(this.#startedAt).toISOString(),
      hop: "edge",
      trace_id: this.trace.traceId,
      span_id: this.trace.spanId,
      parent_id: this.trace.parentId,
      decision,
      reason,
      "error.type": reason === "ok" ? null : reason,
      "http.request.method": METHODS.has(this.#method) ? this.#method : null,
      "http.response.status_code": status,
      duration_ms: Date.now() - this.#startedAt,
    };
    writeAuditLine(line);
    writeDataPoint(dataset, line);
    return line;
  }
}

/** How a refused request ended. */
export function endingOf(refusal: Refusal, reason?: AuditLine["reason"]): Ending {
  return { decision: PROBLEMS[refusal.slug].decision, reason: reason ?? refusal.slug, status: statusOf(refusal) };
}
