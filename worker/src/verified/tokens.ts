import { type Caller } from "../claims/caller";
import { MAX_VERIFIED_TOKENS } from "../constants";
import { type VerificationKey } from "../keys/verification_key";
import { BoundedMap } from "../support/bounded_map";
import { nowSeconds, stillHolds } from "../support/clock";

/** A token that was verified: who calls, and the key that says so. */
export interface VerifiedToken {
  readonly caller: Caller;
  readonly key: VerificationKey;
  /** Until when it is used, in seconds since the epoch. */
  readonly until: number;
}

/** Whether an issuer still has a key. */
export type StillTrusted = (issuer: string, key: VerificationKey) => boolean;

/**
 * The JWTs that this isolate has verified, by the SHA-256 of the token. The policy table and the ring are of one version
 * of the Worker, as the isolate is, so an entry is used while its own time lasts and its issuer still has the key.
 */
export class VerifiedTokens {
  readonly #seconds: number;
  readonly #entries = new BoundedMap<VerifiedToken>(MAX_VERIFIED_TOKENS);

  /** @param seconds - how long an entry is used; 0 keeps none. */
  constructor(seconds: number) {
    this.#seconds = seconds;
  }

  /** What is known of the token of that digest; null where it has to be verified. */
  recall(digest: string, stillTrusted: StillTrusted): VerifiedToken | null {
    const entry = this.#entries.get(digest);
    if (entry === undefined) return null;
    const isInTime = stillHolds(entry.until, this.#seconds, nowSeconds());
    if (isInTime && stillTrusted(entry.caller.issuer, entry.key)) return entry;
    this.#entries.delete(digest);
    return null;
  }

  /** Remembers a verified token, never past its `exp`. */
  remember(digest: string, caller: Caller, key: VerificationKey): void {
    const until = Math.min(nowSeconds() + this.#seconds, caller.expires);
    if (nowSeconds() < until) this.#entries.set(digest, { caller, key, until });
  }
}
