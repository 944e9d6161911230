import { logEvent } from "../audit/event_log";
import { type Caller, callerOfIntrospection } from "../claims/caller";
import { INACTIVE_TOKEN_SECONDS, INTROSPECTION_FRESH_SECONDS, MAX_INTROSPECTION_ENTRIES, SHARED_FETCH_WAIT_MS } from "../constants";
import { type IntrospectionPolicy, type IssuerPolicy } from "../policy/table";
import { BoundedMap } from "../support/bounded_map";
import { nowSeconds, stillHolds } from "../support/clock";
import { LATE } from "../support/deadline";
import { err, ok, type Result } from "../support/result";
import { type KeepAlive, SingleFlight } from "../support/single_flight";
import { type Store } from "../support/store";
import { type TokenFault } from "../token/fault";
import { callerFromEntry, callerToEntry } from "../verified/entry";
import { askIssuer } from "./request";

/** What introspection needs to know beside the issuer. */
export interface IntrospectorOptions {
  readonly introspection: IntrospectionPolicy;
  /** The client secrets to try at the endpoint, the first first; one empty text where the protocol knows none. */
  readonly secrets: readonly string[];
  /** The contract's version: a changed contract does not use what an older one concluded. */
  readonly contract: string;
  /** The clock difference allowed, in seconds. */
  readonly leeway: number;
}

/** What an issuer said of a token, and until when (seconds since the epoch) that is used. */
interface Verdict {
  readonly caller: Result<Caller, TokenFault>;
  readonly until: number;
}

/**
 * Asks one issuer about its tokens (RFC 7662) and remembers what it said, by the SHA-256 of the token: in this isolate,
 * and in KV for the others. An answer is used for at most {@link INTROSPECTION_FRESH_SECONDS} since the issuer gave it,
 * over both tiers, and never past `exp`; so long does a revoked token still work.
 */
export class Introspector {
  readonly #issuer: IssuerPolicy;
  readonly #options: IntrospectorOptions;
  readonly #store: Store;
  readonly #known = new BoundedMap<Verdict>(MAX_INTROSPECTION_ENTRIES);
  readonly #flights = new SingleFlight<Verdict | null>(SHARED_FETCH_WAIT_MS);

  constructor(issuer: IssuerPolicy, options: IntrospectorOptions, store: Store) {
    this.#issuer = issuer;
    this.#options = options;
    this.#store = store;
  }

  /** Who calls with a token of that SHA-256. `unavailable`: the issuer cannot be asked now. */
  async caller(token: string, digest: string, keepAlive: KeepAlive): Promise<Result<Caller, TokenFault | "unavailable">> {
    const known = this.#known.get(digest);
    const verdict =
      known !== undefined && stillHolds(known.until, INTROSPECTION_FRESH_SECONDS, nowSeconds())
        ? known
        : await this.#flights.run(digest, () => this.#find(token, digest, keepAlive), keepAlive);
    if (verdict === null || verdict === LATE) return err("unavailable");
    return verdict.caller.ok && nowSeconds() >= verdict.caller.value.expires + this.#options.leeway
      ? err("expired")
      : verdict.caller;
  }

  async #find(token: string, digest: string, keepAlive: KeepAlive): Promise<Verdict | null> {
    const entry = `introspection.v2.${this.#options.contract}.${this.#issuer.name}.${digest}`;
    const kept = callerFromEntry(await this.#store.read(entry), nowSeconds(), INTROSPECTION_FRESH_SECONDS);
    const verdict = kept === null ? await this.#ask(token) : { caller: ok(kept.caller), until: kept.until };
    if (verdict === null) return null;
    this.#known.set(digest, verdict);
    const { caller, until } = verdict;
    if (kept === null && caller.ok) {
      const written = callerToEntry({ caller: caller.value, until });
      keepAlive(this.#store.write(entry, written, INTROSPECTION_FRESH_SECONDS));
    }
    return verdict;
  }

  async #ask(token: string): Promise<Verdict | null> {
    const answer = await this.#answer(token);
    if (!answer.ok) {
      logEvent({ event: "introspection-failed", issuer: this.#issuer.name, cause: answer.error });
      return null;
    }
    const now = nowSeconds();
    const caller = callerOfIntrospection(answer.value, this.#issuer, { now, leeway: this.#options.leeway });
    // Only this isolate remembers a refusal: made-up tokens shall not fill KV.
    if (!caller.ok) return { caller, until: now + INACTIVE_TOKEN_SECONDS };
    return { caller, until: Math.min(now + INTROSPECTION_FRESH_SECONDS, caller.value.expires) };
  }

  /** While a client secret is changed, one of two may not be valid yet, or no more: the other is tried then. */
  async #answer(token: string): ReturnType<typeof askIssuer> {
    const { introspection, secrets } = this.#options;
    const [first = "", second] = secrets;
    const answer = await askIssuer(introspection, first, token);
    if (answer.ok || answer.error !== "unauthorized" || second === undefined) return answer;
    return askIssuer(introspection, second, token);
  }
}
