import { type KeysFault, logEvent } from "../audit/event_log";
import { METADATA_FRESH_SECONDS, SHARED_FETCH_WAIT_MS } from "../constants";
import { type IssuerPolicy } from "../policy/table";
import { nowSeconds } from "../support/clock";
import { LATE } from "../support/deadline";
import { fetchDocument } from "../support/documents";
import { err, ok, type Result } from "../support/result";
import { type KeepAlive, SingleFlight } from "../support/single_flight";
import { type Store } from "../support/store";
import { discoverKeySetUrl } from "./discovery";
import {
  type Attempt,
  freshSeconds,
  healthOf,
  type HeldKeys,
  type IssuerKeysHealth,
  mayFetch,
  planFor,
} from "./freshness";
import { readLastKnownGood, sameKeys, writeLastKnownGood } from "./last_known_good";
import { readKeySet, type VerificationKey } from "./verification_key";

/** Why there is no key: the issuer has none of that id, or it cannot be told now. */
export type NoKey = "unknown" | "unavailable";

/**
 * The keys of one issuer in one isolate. Issuers share nothing, so that one that is down does not delay another.
 *
 * Tiers: this object; the copy in KV, read once when the isolate is new; the issuer. One fetch at a time, and none
 * within the cool-down of the last, whatever key ids are asked for.
 */
export class IssuerKeys {
  readonly #issuer: IssuerPolicy;
  readonly #store: Store;
  readonly #flights = new SingleFlight<null>(SHARED_FETCH_WAIT_MS);
  #held: HeldKeys | null = null;
  #attempt: Attempt | null = null;
  /** What KV was last seen to hold, or was given. */
  #kept: HeldKeys | null = null;
  #keptIsRead = false;
  #keySetUrl: { readonly url: string; readonly at: number } | null = null;

  constructor(issuer: IssuerPolicy, store: Store) {
    this.#issuer = issuer;
    this.#store = store;
  }

  /** The key of that id. */
  async find(kid: string, keepAlive: KeepAlive): Promise<Result<VerificationKey, NoKey>> {
    if (!this.#keptIsRead) await this.#share("read", () => this.#readKept(), keepAlive);
    const plan = planFor(kid, { held: this.#held, attempt: this.#attempt }, nowSeconds());
    switch (plan) {
      case "use":
        break;
      case "use-and-renew":
        keepAlive(this.#share("fetch", () => this.#renew(false, keepAlive), keepAlive));
        break;
      case "fetch":
        return this.#fetchFor(kid, keepAlive);
      case "unknown":
      case "unavailable":
        return err(plan);
    }
    return this.#key(kid);
  }

  /** Fetches the keys and keeps them for other isolates, whether or not they are due. */
  async warm(keepAlive: KeepAlive): Promise<void> {
    await this.#share("fetch", () => this.#renew(true, keepAlive), keepAlive);
  }

  /** How the keys of this isolate are. */
  get health(): IssuerKeysHealth {
    return healthOf(this.#held, nowSeconds());
  }

  /** Gets keys that are not there or no longer fresh, as a request would: from KV first, and not within a cool-down. */
  async prepare(keepAlive: KeepAlive): Promise<void> {
    if (!this.#keptIsRead) await this.#share("read", () => this.#readKept(), keepAlive);
    if (this.health.state === "fresh" || !mayFetch(this.#attempt, nowSeconds())) return;
    await this.#share("fetch", () => this.#renew(false, keepAlive), keepAlive);
  }

  async #fetchFor(kid: string, keepAlive: KeepAlive): Promise<Result<VerificationKey, NoKey>> {
    await this.#share("fetch", () => this.#renew(false, keepAlive), keepAlive);
    if (this.#attempt?.outcome === "failed") return err("unavailable");
    const key = this.#key(kid);
    if (!key.ok) this.#attempt = { at: nowSeconds(), outcome: "fruitless" };
    return key;
  }

  #key(kid: string): Result<VerificationKey, NoKey> {
    const key = this.#held?.keys.get(kid);
    return key === undefined ? err("unknown") : ok(key);
  }

  async #share(name: "read" | "fetch", work: () => Promise<null>, keepAlive: KeepAlive): Promise<void> {
    if ((await this.#flights.run(name, work, keepAlive)) === LATE) this.#failed("late");
  }

  async #readKept(): Promise<null> {
    const kept = await readLastKnownGood(this.#store, this.#issuer);
    this.#keptIsRead = true;
    this.#kept = kept;
    this.#held ??= kept;
    return null;
  }

  async #renew(keep: boolean, keepAlive: KeepAlive): Promise<null> {
    const fetched = await this.#fetch();
    if (!fetched.ok) return this.#failed(fetched.error);
    const held = fetched.value;
    this.#held = held;
    this.#attempt = { at: nowSeconds(), outcome: "fruitful" };
    logEvent({ event: "keys-fetched", issuer: this.#issuer.name, keys: held.keys.size });
    // The cron trigger keeps the copy young; a request writes only what has changed.
    if (keep || !sameKeys(this.#kept, held)) keepAlive(writeLastKnownGood(this.#store, this.#issuer, held));
    this.#kept = held;
    return null;
  }

  /** Keeps what is held: a failure, an empty set included, never replaces good keys. */
  #failed(cause: KeysFault): null {
    this.#attempt = { at: nowSeconds(), outcome: "failed" };
    // The metadata may be why.
    this.#keySetUrl = null;
    logEvent({ event: "keys-fetch-failed", issuer: this.#issuer.name, cause });
    return null;
  }

  async #fetch(): Promise<Result<HeldKeys, KeysFault>> {
    const url = await this.#discover();
    if (!url.ok) return url;
    const fetched = await fetchDocument(url.value);
    if (!fetched.ok) return fetched;
    const keys = await readKeySet(fetched.value.document, this.#issuer.algorithms);
    if (keys === undefined) return err("no-usable-keys");
    return ok({ keys, fetchedAt: nowSeconds(), freshSeconds: freshSeconds(fetched.value.maxAgeSeconds) });
  }

  async #discover(): Promise<Result<string, KeysFault>> {
    const now = nowSeconds();
    const known = this.#keySetUrl;
    if (known !== null && now - known.at < METADATA_FRESH_SECONDS) return ok(known.url);
    const found = await discoverKeySetUrl(this.#issuer.issuer);
    if (found.ok) this.#keySetUrl = { url: found.value, at: now };
    return found;
  }
}
