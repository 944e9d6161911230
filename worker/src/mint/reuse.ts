import { type Caller } from "../claims/caller";

/** An internal token and the transaction it is of. */
export interface Minted {
  readonly token: string;
  readonly txn: string;
  /** Seconds since the epoch. */
  readonly mintedAt: number;
}

/**
 * The internal tokens that callers were given, for the time in which they may be given them again (rule I4 of the key
 * ring: U <= L - F - 2d). They hang on the caller as this isolate knows it by one verified token: with that token's entry
 * they are forgotten, when it ends, its key is taken back, or there are too many. Each is for one operation only.
 */
export class Reuse {
  readonly #seconds: number;
  readonly #tokens = new WeakMap<Caller, Map<string, Minted>>();

  /** @param seconds - for how long; 0 keeps none. */
  constructor(seconds: number) {
    this.#seconds = seconds;
  }

  /** The token that the caller was given for that operation; null where a new one has to be made. */
  recall(caller: Caller, operation: string, now: number): Minted | null {
    if (this.#seconds === 0) return null;
    const minted = this.#tokens.get(caller)?.get(operation);
    // A clock that went back ends the time, rather than stretch it.
    return minted !== undefined && now >= minted.mintedAt && now - minted.mintedAt < this.#seconds ? minted : null;
  }

  /** Remembers a token. */
  remember(caller: Caller, operation: string, minted: Minted): void {
    if (this.#seconds === 0) return;
    const given = this.#tokens.get(caller);
    if (given === undefined) this.#tokens.set(caller, new Map([[operation, minted]]));
    else given.set(operation, minted);
  }

  /** Forgets what the caller was given: Apigee does not know its key. */
  forget(caller: Caller): void {
    this.#tokens.delete(caller);
  }
}
