import { calculateJwkThumbprint } from "jose";
import { type Caller } from "../claims/caller";
import { MIN_KV_TTL_SECONDS } from "../constants";
import { type VerificationKey } from "../keys/verification_key";
import { nowSeconds } from "../support/clock";
import { type Store } from "../support/store";
import { callerFromEntry, callerToEntry } from "./entry";

/**
 * The JWTs that any isolate has verified, in KV: who calls, by the SHA-256 of the token. An entry's name holds the
 * contract's version and the thumbprint of the key, so that a change of either leaves it behind.
 */
export class SharedTokens {
  readonly #store: Store;
  readonly #contract: string;
  readonly #seconds: number;

  /** @param seconds - how long an entry is used. */
  constructor(store: Store, contract: string, seconds: number) {
    this.#store = store;
    this.#contract = contract;
    this.#seconds = seconds;
  }

  /** Who calls with the token of that digest, as signed by that key; null where no isolate has said. */
  async recall(digest: string, key: VerificationKey): Promise<Caller | null> {
    const entry = await this.#store.read(await this.#name(digest, key));
    return callerFromEntry(entry, nowSeconds(), this.#seconds)?.caller ?? null;
  }

  /** Tells the others, unless the token ends before KV would forget it. */
  async remember(digest: string, caller: Caller, key: VerificationKey): Promise<void> {
    const seconds = Math.min(this.#seconds, caller.expires - nowSeconds());
    if (seconds < MIN_KV_TTL_SECONDS) return;
    const entry = callerToEntry({ caller, until: nowSeconds() + seconds });
    await this.#store.write(await this.#name(digest, key), entry, seconds);
  }

  async #name(digest: string, { jwk }: VerificationKey): Promise<string> {
    return `verified.v1.${this.#contract}.${await calculateJwkThumbprint(jwk)}.${digest}`;
  }
}
