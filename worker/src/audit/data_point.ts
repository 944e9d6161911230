import { type AuditLine } from "./line";

/** A dataset of Workers Analytics Engine: points are sent behind the request's back. */
export interface Dataset {
  writeDataPoint(point: DataPoint): void;
}

/** What a dataset takes: at most 20 blobs, 20 doubles, and one index of 96 bytes, by which points are sampled. */
export interface DataPoint {
  readonly indexes: readonly [string];
  readonly blobs: readonly (string | null)[];
  readonly doubles: readonly number[];
}

const MAX_INDEX_CHARACTERS = 96;

/**
 * The data point of an audit line: what dashboards count, and nothing of a subject, a trace or a transaction. Queries
 * name the columns by their place, so that a new one only ever goes to the end.
 */
export function dataPointOf(line: AuditLine): DataPoint {
  return {
    // A consumer's key is ASCII.
    indexes: [(line.client_id ?? "").slice(0, MAX_INDEX_CHARACTERS)],
    blobs: [
      line.decision,
      line.reason,
      line.operation,
      line["http.request.method"],
      line["http.route"],
      line.product,
      line.client_id,
      line.issuer,
      line.env,
      line.contract,
      line["auth.cache"],
    ],
    doubles: [line["http.response.status_code"], line.upstream_status ?? 0, line.duration_ms, line.ring_seq ?? 0],
  };
}

/** Writes the data point. A failure of telemetry is nobody's trouble. */
export function writeDataPoint(dataset: Dataset | null, line: AuditLine): void {
  try {
    dataset?.writeDataPoint(dataPointOf(line));
  } catch {
    // The audit line says all that the point would have.
  }
}
