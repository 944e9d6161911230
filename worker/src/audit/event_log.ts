import { type Hint } from "../hint/answer";
import { type FetchFault } from "../support/documents";

/**
 * Something an operator should know beside the audit lines. Nothing here comes from a caller but the trace id that a hint
 * is about, which has the form of one.
 */
export type OperationalEvent =
  | { readonly event: "keys-fetched"; readonly issuer: string; readonly keys: number }
  | { readonly event: "keys-fetch-failed"; readonly issuer: string; readonly cause: KeysFault }
  | { readonly event: "introspection-failed"; readonly issuer: string; readonly cause: FetchFault | "not-an-answer" }
  | { readonly event: "kv-write-failed" }
  | { readonly event: "revocations-unreadable"; readonly cause: string }
  | { readonly event: "limiter-failed"; readonly cause: "late" | "error" }
  | ({ readonly event: "hint"; readonly trace_id: string } & Hint)
  | {
      readonly event: "hint-failed";
      readonly trace_id: string;
      readonly cause: "late" | "error" | "not-a-hint";
      /** How many have failed in this isolate. */
      readonly failed: number;
    }
  | { readonly event: "start-failed"; readonly binding: string; readonly cause: string }
  | { readonly event: "unexpected"; readonly error: string };

/** Why an issuer's keys could not be fetched. */
export type KeysFault = FetchFault | "wrong-issuer" | "no-jwks-uri" | "no-usable-keys" | "late";

/**
 * Writes an event as one line of JSON to the error stream. It names no hop, as every audit line does: whoever reads both
 * streams tells them apart by that.
 */
export function logEvent(event: OperationalEvent): void {
  // eslint-disable-next-line no-console -- the one writer of events
  console.error(JSON.stringify({ ts: new Date().toISOString(), ...event }));
}
