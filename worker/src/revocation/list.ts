import { logEvent } from "../audit/event_log";
import { type Caller } from "../claims/caller";
import {
  KV_DEADLINE_MS,
  MAX_REVOCATIONS,
  REVOCATION_KV_CACHE_SECONDS,
  REVOCATION_REFRESH_SECONDS,
  REVOCATION_STALE_SECONDS,
} from "../constants";
import { nowSeconds } from "../support/clock";
import { DecodeError, integer, list, oneOf, record, text } from "../support/decode";
import { type JsonObject } from "../support/json";
import { type KeepAlive, SingleFlight } from "../support/single_flight";
import { type Store } from "../support/store";

/** What a revocation names: a token, a subject, a client, or every token that one key signed. */
const KINDS = ["jti", "subject", "client", "kid"] as const;

interface Revocation {
  readonly issuer: string;
  readonly by: (typeof KINDS)[number];
  readonly value: string;
  /** When it ends, in seconds since the epoch: what it names has expired by then. */
  readonly until: number;
}

interface Document {
  /** Grows by one with each change, so that an older answer of KV is told from a newer one. */
  readonly seq: number;
  readonly entries: readonly Revocation[];
}

/** The entry in KV, written by the command line. */
const ENTRY = "revocations.v1";

const time = integer(0, Number.MAX_SAFE_INTEGER);
const decodeDocument = record<Document>({
  seq: time,
  entries: list(
    record<Revocation>({ issuer: text(64), by: oneOf(KINDS), value: text(1_000), until: time }),
    0,
    MAX_REVOCATIONS,
  ),
});

/**
 * The revocation list as this isolate last saw it. It is looked at behind a request's back, so that no request waits for
 * KV; only an isolate that is new or slept waits, once and for no longer than KV's deadline. While KV is down the last
 * list stands.
 */
export class Revocations {
  readonly #store: Store;
  readonly #flights = new SingleFlight<null>(KV_DEADLINE_MS);
  #seq = -1;
  #until: ReadonlyMap<string, number> = new Map();
  /** When KV last answered, and when it was last asked; in seconds since the epoch. */
  #seenAt = 0;
  #askedAt = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Sees to it that the list is young; to be awaited before {@link covers}. */
  async refresh(keepAlive: KeepAlive): Promise<void> {
    const now = nowSeconds();
    if (Math.abs(now - this.#askedAt) < REVOCATION_REFRESH_SECONDS && !this.#flights.isRunning("look")) return;
    const look = this.#flights.run("look", () => this.#look(), keepAlive);
    if (Math.abs(now - this.#seenAt) < REVOCATION_STALE_SECONDS) keepAlive(look);
    else await look;
  }

  /** Whether the caller's token is revoked. */
  covers({ issuer, tokenId, subject, clientId, kid }: Caller): boolean {
    if (this.#until.size === 0) return false;
    const named = [["jti", tokenId], ["subject", subject], ["client", clientId], ["kid", kid]] as const;
    return named.some(([by, value]) => value !== null && nowSeconds() < (this.#until.get(nameOf({ issuer, by, value })) ?? 0));
  }

  async #look(): Promise<null> {
    this.#askedAt = nowSeconds();
    const entry = await this.#store.read(ENTRY, REVOCATION_KV_CACHE_SECONDS);
    // KV did not answer: the list that is known stands.
    if (entry === undefined) return null;
    this.#seenAt = nowSeconds();
    if (entry !== null) this.#take(entry);
    return null;
  }

  #take(entry: JsonObject): void {
    try {
      const { seq, entries } = decodeDocument(entry, "$");
      if (seq <= this.#seq) return;
      this.#seq = seq;
      this.#until = new Map(entries.map((revocation) => [nameOf(revocation), revocation.until]));
    } catch (problem) {
      if (!(problem instanceof DecodeError)) throw problem;
      logEvent({ event: "revocations-unreadable", cause: problem.message });
    }
  }
}

function nameOf({ issuer, by, value }: Pick<Revocation, "issuer" | "by" | "value">): string {
  return `${by} ${issuer} ${value}`;
}
