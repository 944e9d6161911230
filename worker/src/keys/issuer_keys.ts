import { type KeysFault, logEvent } from "../audit/event_log";
import { METADATA_FRESH_SECONDS, SHARED_FETCH_WAIT_MS } from "../constants";
import { type IssuerPolicy } from "../policy/table";
import { nowSeconds } from "../support/clock";
import { LATE } from "../support/deadline";
import { fetchDocument } from "../support/documents";
import { err, ok, type Result } from "../support/result";
import { type KeepAlive, SingleFlight } from "../support/single_flight";
import { discoverKeySetUrl } from "./discovery";
import {
  type Attempt,
  freshSeconds,
  healthOf,
  type HeldKeys,
  isFresh,
  type IssuerKeysHealth,
  mayDoubt,
  mayFetch,
  type Plan,
  planFor,
} from "./freshness";
import { type KeyStores, readCopy, sameKeys, withKnownKeys, writeCopies } from "./shared_copies";
import { readKeySet, type VerificationKey } from "./verification_key";

/** Why there is no key: the issuer has none of that id, or it cannot be told now. */
export type NoKey = "unknown" | "unavailable";

/**
 * The keys of one issuer in one isolate. Issuers share nothing, so that one that is down does not delay another.
 *
 * Tiers: this object; the copy of the data centre; the copy in KV, read once when the isolate is new; the issuer. One
 * fetch at a time, and none within the cool-down of the last, whatever key ids are asked for.
 */
export class IssuerKeys {
  readonly #issuer: IssuerPolicy;
  readonly #stores: KeyStores;
  readonly #flights = new SingleFlight<null>(SHARED_FETCH_WAIT_MS);
  #held: HeldKeys | null = null;
  #attempt: Attempt | null = null;
  /** What KV was last seen to hold, or was given. */
  #kept: HeldKeys | null = null;
  #copiesAreRead = false;
  #keySetUrl: { readonly url: string; readonly at: number } | null = null;

  constructor(issuer: IssuerPolicy, stores: KeyStores) {
    this.#issuer = issuer;
    this.#stores = stores;
  }

  /** The key of that id. */
  async find(kid: string, keepAlive: KeepAlive): Promise<Result<VerificationKey, NoKey>> {
    if (!this.#copiesAreRead) await this.#share("read", () => this.#readCopies(), keepAlive);
    const plan = this.#plan(kid, keepAlive);
    switch (plan) {
      case "use":
      case "use-and-renew":
        return this.#key(kid);
      case "fetch":
        return this.#fetchFor(kid, keepAlive);
      case "unknown":
      case "unavailable":
        return err(plan);
    }
  }

  /**
   * The key that the issuer now has under the id of one by which a signature is wrong; null where it is the same. The
   * issuer is asked once in a cool-down: most wrong signatures are forged.
   */
  async replacementOf(key: VerificationKey, keepAlive: KeepAlive): Promise<VerificationKey | null> {
    const replacement = (): VerificationKey | null => {
      const held = this.#held?.keys.get(key.kid);
      return held === undefined || held === key ? null : held;
    };
    if (replacement() === null && mayDoubt({ held: this.#held, attempt: this.#attempt }, nowSeconds())) {
      await this.#share("fetch", () => this.#fetchAndKeep(false, keepAlive), keepAlive);
    }
    return replacement();
  }

  /** Whether a key that was found here may still be used. A set that is due is renewed behind the caller's back. */
  stillHas(key: VerificationKey, keepAlive: KeepAlive): boolean {
    return this.#plan(key.kid, keepAlive).startsWith("use") && this.#held?.keys.get(key.kid) === key;
  }

  /** Fetches the keys and keeps them for other isolates, whether or not they are due. */
  async warm(keepAlive: KeepAlive): Promise<void> {
    await this.#share("fetch", () => this.#fetchAndKeep(true, keepAlive), keepAlive);
  }

  /** How the keys of this isolate are. */
  get health(): IssuerKeysHealth {
    return healthOf(this.#held, nowSeconds());
  }

  /** Gets keys that are not there or no longer fresh, as a request would: from a copy first, and not within a cool-down. */
  async prepare(keepAlive: KeepAlive): Promise<void> {
    if (!this.#copiesAreRead) await this.#share("read", () => this.#readCopies(), keepAlive);
    if (this.health.state === "fresh" || !mayFetch(this.#attempt, nowSeconds())) return;
    await this.#share("fetch", () => this.#fetchAndKeep(false, keepAlive), keepAlive);
  }

  #plan(kid: string, keepAlive: KeepAlive): Plan {
    const plan = planFor(kid, { held: this.#held, attempt: this.#attempt }, nowSeconds());
    if (plan === "use-and-renew" && !this.#flights.isRunning("fetch")) {
      keepAlive(this.#share("fetch", () => this.#renew(kid, keepAlive), keepAlive));
    }
    return plan;
  }

  async #fetchFor(kid: string, keepAlive: KeepAlive): Promise<Result<VerificationKey, NoKey>> {
    await this.#share("fetch", () => this.#renew(kid, keepAlive), keepAlive);
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

  async #readCopies(): Promise<null> {
    const near = await readCopy(this.#stores.near, this.#issuer);
    const usable = near !== null && isFresh(near, nowSeconds());
    const kept = usable ? near : await readCopy(this.#stores.far, this.#issuer);
    this.#copiesAreRead = true;
    this.#kept = kept;
    this.#held ??= kept;
    return null;
  }

  /** Takes the set that a neighbour has just fetched, if it has the key, else fetches. */
  async #renew(kid: string, keepAlive: KeepAlive): Promise<null> {
    const near = await readCopy(this.#stores.near, this.#issuer);
    const isNewer = near !== null && isFresh(near, nowSeconds()) && near.fetchedAt > (this.#held?.fetchedAt ?? 0);
    if (!isNewer || !near.keys.has(kid)) return this.#fetchAndKeep(false, keepAlive);
    this.#hold(near);
    return null;
  }

  async #fetchAndKeep(alsoFar: boolean, keepAlive: KeepAlive): Promise<null> {
    const fetched = await this.#fetch();
    if (!fetched.ok) return this.#failed(fetched.error);
    const held = this.#hold(fetched.value);
    logEvent({ event: "keys-fetched", issuer: this.#issuer.name, keys: held.keys.size });
    // The cron trigger keeps the copy in KV young; a request writes there only what has changed.
    keepAlive(writeCopies(this.#stores, this.#issuer, held, alsoFar || !sameKeys(this.#kept, held)));
    this.#kept = held;
    return null;
  }

  #hold(fetched: HeldKeys): HeldKeys {
    const held = { ...fetched, keys: withKnownKeys(fetched.keys, this.#held?.keys) };
    this.#held = held;
    this.#attempt = { at: nowSeconds(), outcome: "fruitful" };
    return held;
  }

  /** Keeps what is held: a failure, an empty set included, never replaces good keys. */
  #failed(cause: KeysFault): null {
    this.#attempt = { at: nowSeconds(), outcome: "failed" };
    // The metadata may be why.
    this.#keySetUrl = null;
    // KV may not have answered when it was looked at.
    if (this.#held === null) this.#copiesAreRead = false;
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
