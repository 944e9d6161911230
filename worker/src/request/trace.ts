import { MAX_TRACESTATE_MEMBERS } from "../constants";
import { hex } from "../support/hex";

/** Where a request stands in its trace (W3C Trace Context, Level 2). */
export interface Trace {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** This hop's own span, 16 hexadecimal digits. */
  readonly spanId: string;
  /** The caller's span; null where the trace begins here. */
  readonly parentId: string | null;
  /** Two hexadecimal digits. */
  readonly flags: string;
  /** The vendors' part, handed on as it is; null where there is none or the trace begins here. */
  readonly state: string | null;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZEROS = /^0+$/;

/** The flags known today: sampled (1) and random trace id (2). Others are cleared, as §4.2 wants of a version 00. */
const KNOWN_FLAGS = 0x03;

/**
 * Continues the trace of a `traceparent`, or starts one where there is none or it is invalid: a bad one is never a
 * reason to refuse a request (§3.2.2). `randomBytes` gives unpredictable bytes.
 */
export function continueTrace(
  traceparent: string | null,
  tracestate: string | null,
  randomBytes: (count: number) => Uint8Array,
): Trace {
  const spanId = nonZeroHex(8, randomBytes);
  const parent = parse(traceparent);
  if (parent === null) {
    return { traceId: nonZeroHex(16, randomBytes), spanId, parentId: null, flags: "03", state: null };
  }
  const members = tracestate?.split(",").length ?? 0;
  return { ...parent, spanId, state: members > MAX_TRACESTATE_MEMBERS ? null : tracestate };
}

/** The `traceparent` of what this hop sends on: version 00, its own span as the parent. */
export function traceparentOf(trace: Trace): string {
  return `00-${trace.traceId}-${trace.spanId}-${trace.flags}`;
}

function parse(traceparent: string | null): Pick<Trace, "traceId" | "parentId" | "flags"> | null {
  const [, version, traceId, parentId, flags, more] = TRACEPARENT.exec(traceparent ?? "") ?? [];
  if (traceId === undefined || parentId === undefined || flags === undefined) return null;
  if (ZEROS.test(traceId) || ZEROS.test(parentId)) return null;
  // ff is forbidden; 00 has exactly four fields; a later version may have more and is read as 00 (§4.3).
  if (version === "ff" || (version === "00" && more !== undefined)) return null;
  const known = Number.parseInt(flags, 16) & KNOWN_FLAGS;
  return { traceId, parentId, flags: known.toString(16).padStart(2, "0") };
}

function nonZeroHex(bytes: number, randomBytes: (count: number) => Uint8Array): string {
  const digits = hex(randomBytes(bytes));
  return ZEROS.test(digits) ? nonZeroHex(bytes, randomBytes) : digits;
}
