import { type AuditLine } from "../audit/line";

/** All that a model is told of a request: nothing of a subject, a token, a header, a path or a trace. */
export interface Features {
  readonly method: string | null;
  /** The path template. */
  readonly route: string | null;
  readonly operation: string | null;
  readonly product: string | null;
  readonly decision: AuditLine["decision"];
  readonly reason: AuditLine["reason"];
  readonly status: number;
  /** The consumer's key; null where the application is not known, or its id is no name. */
  readonly client_id: string | null;
  /** Of the day, UTC: 0 to 23. */
  readonly hour: number;
  /** Requests of the same application that this isolate has answered in this minute, with this one. */
  readonly seen: number;
  /** How many of them were not allowed. */
  readonly refused: number;
}

/** A model takes text for instructions; a contract's own client ids are names. */
const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** What a model may know of an audited request. Its members are listed one by one, as those of the line itself are. */
export function featuresOf(line: AuditLine, seen: number, refused: number): Features {
  return {
    method: line["http.request.method"],
    route: line["http.route"],
    operation: line.operation,
    product: line.product,
    decision: line.decision,
    reason: line.reason,
    status: line["http.response.status_code"],
    client_id: line.client_id !== null && NAME.test(line.client_id) ? line.client_id : null,
    hour: new Date(line.ts).getUTCHours(),
    seen,
    refused,
  };
}
