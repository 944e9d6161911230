import { MAX_KEYS_STALE_SECONDS } from "../constants";
import { type IssuerPolicy } from "../policy/table";
import { type JsonObject, member } from "../support/json";
import { type Store } from "../support/store";
import { type HeldKeys } from "./freshness";
import { readKeySet } from "./verification_key";

/** The entry of an issuer's keys: one for each issuer, written by the cron trigger and whenever keys change. */
function entryOf(issuer: IssuerPolicy): string {
  return `issuer-keys.v1.${issuer.name}`;
}

/** The keys that some isolate fetched last, read as strictly as the issuer's own answer; null where there are none. */
export async function readLastKnownGood(store: Store, issuer: IssuerPolicy): Promise<HeldKeys | null> {
  const entry = await store.read(entryOf(issuer));
  // A contract may give the name to another issuer.
  if (entry === undefined || member(entry, "issuer") !== issuer.issuer) return null;
  const keys = await readKeySet(entry, issuer.algorithms);
  const fetchedAt = member(entry, "fetched_at");
  const freshSeconds = member(entry, "fresh_seconds");
  if (keys === undefined || !Number.isSafeInteger(fetchedAt) || !Number.isSafeInteger(freshSeconds)) return null;
  return { keys, fetchedAt: fetchedAt as number, freshSeconds: freshSeconds as number };
}

/** Keeps the keys for isolates to come. */
export async function writeLastKnownGood(store: Store, issuer: IssuerPolicy, held: HeldKeys): Promise<void> {
  const entry: JsonObject = {
    issuer: issuer.issuer,
    fetched_at: held.fetchedAt,
    fresh_seconds: held.freshSeconds,
    keys: [...held.keys.values()].map(({ jwk }) => jwk),
  };
  await store.write(entryOf(issuer), entry, MAX_KEYS_STALE_SECONDS);
}

/** Whether two sets hold the same keys. */
export function sameKeys(one: HeldKeys | null, other: HeldKeys): boolean {
  const listed = (held: HeldKeys): string => JSON.stringify([...held.keys.values()].map(({ jwk }) => jwk));
  return one !== null && listed(one) === listed(other);
}
