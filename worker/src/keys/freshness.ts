import {
  DEFAULT_KEYS_FRESH_SECONDS,
  FAILED_FETCH_COOLDOWN_SECONDS,
  FRUITLESS_COOLDOWN_SECONDS,
  MAX_KEYS_FRESH_SECONDS,
  MAX_KEYS_STALE_SECONDS,
  MIN_KEYS_FRESH_SECONDS,
  UNKNOWN_KID_COOLDOWN_SECONDS,
} from "../constants";
import { type KeySet } from "./verification_key";

/** Keys that an issuer gave, and when. Times in seconds since the epoch. */
export interface HeldKeys {
  readonly keys: KeySet;
  readonly fetchedAt: number;
  readonly freshSeconds: number;
}

/** The last try to fetch: it brought what was wanted, it did not, or it failed. */
export interface Attempt {
  readonly at: number;
  readonly outcome: "fruitful" | "fruitless" | "failed";
}

/** How the keys of an issuer are: as it wants them; old, since it cannot be reached; none that may be used. */
export interface IssuerKeysHealth {
  readonly state: "fresh" | "stale" | "missing";
  /** Seconds since they were fetched; null where there are none. */
  readonly ageSeconds: number | null;
}

/** What an isolate knows of an issuer's keys. */
export interface KeyState {
  readonly held: HeldKeys | null;
  readonly attempt: Attempt | null;
}

/**
 * What to do for a key id: use the key held; use it and renew the set behind the caller's back; fetch first; say that
 * the issuer has no such key; or say that nobody can tell.
 */
export type Plan = "use" | "use-and-renew" | "fetch" | "unknown" | "unavailable";

const COOLDOWN_SECONDS: Readonly<Record<Attempt["outcome"], number>> = {
  fruitful: UNKNOWN_KID_COOLDOWN_SECONDS,
  fruitless: FRUITLESS_COOLDOWN_SECONDS,
  failed: FAILED_FETCH_COOLDOWN_SECONDS,
};

/** Decides by what is known at `now`, in seconds. A token is called unknown only by a set that the issuer just gave. */
export function planFor(kid: string, { held, attempt }: KeyState, now: number): Plan {
  const allowed = mayFetch(attempt, now);
  if (held?.keys.has(kid) === true && isUsable(held, now)) {
    return isFresh(held, now) || !allowed ? "use" : "use-and-renew";
  }
  if (allowed) return "fetch";
  return attempt?.outcome === "failed" ? "unavailable" : "unknown";
}

/** Whether a wrong signature may cause a fetch: it is most likely forged, and a set that is young gains nothing by it. */
export function mayDoubt({ held, attempt }: KeyState, now: number): boolean {
  return mayFetch(attempt, now) && (held === null || !isWithin(held.fetchedAt, FRUITLESS_COOLDOWN_SECONDS, now));
}

/** Whether the cool-down of the last try is over. */
export function mayFetch(attempt: Attempt | null, now: number): boolean {
  return attempt === null || !isWithin(attempt.at, COOLDOWN_SECONDS[attempt.outcome], now);
}

/** How the keys held are at `now`, in seconds. */
export function healthOf(held: HeldKeys | null, now: number): IssuerKeysHealth {
  if (held === null || !isUsable(held, now)) return { state: "missing", ageSeconds: null };
  const state = isFresh(held, now) ? "fresh" : "stale";
  return { state, ageSeconds: Math.max(0, now - held.fetchedAt) };
}

/** Whether a set is as new as its issuer wants it to be. `now` in seconds. */
export function isFresh({ fetchedAt, freshSeconds }: HeldKeys, now: number): boolean {
  return isWithin(fetchedAt, freshSeconds, now);
}

/**
 * Whether a set may be used at all. One that seems to come from the future was fetched before this clock went back, or by
 * a clock that is ahead: it is no longer fresh, and as good as any other while the issuer cannot be reached.
 */
function isUsable({ fetchedAt }: HeldKeys, now: number): boolean {
  return Math.abs(now - fetchedAt) < MAX_KEYS_STALE_SECONDS;
}

/** How long a fetched set is fresh: as its Cache-Control says, between a floor and a ceiling. In seconds. */
export function freshSeconds(maxAgeSeconds: number | null): number {
  if (maxAgeSeconds === null) return DEFAULT_KEYS_FRESH_SECONDS;
  return Math.min(Math.max(maxAgeSeconds, MIN_KEYS_FRESH_SECONDS), MAX_KEYS_FRESH_SECONDS);
}

/** Whether less than `seconds` have passed since `start`. A clock that went back ends every wait, rather than stretch it. */
function isWithin(start: number, seconds: number, now: number): boolean {
  return now >= start && now - start < seconds;
}
