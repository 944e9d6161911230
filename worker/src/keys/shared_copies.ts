import { MAX_KEYS_STALE_SECONDS } from "../constants";
import { type IssuerPolicy } from "../policy/table";
import { type JsonObject, member } from "../support/json";
import { type Store } from "../support/store";
import { type HeldKeys } from "./freshness";
import { type KeySet, readKeySet } from "./verification_key";

/** Where isolates leave an issuer's keys for each other. */
export interface KeyStores {
  /** The same data centre's, which is asked before the issuer is. */
  readonly near: Store;
  /** The whole world's, from which an isolate goes on while the issuer is down. */
  readonly far: Store;
}

/** The entry of an issuer's keys: one for each issuer. */
function entryOf(issuer: IssuerPolicy): string {
  return `issuer-keys.v1.${issuer.name}`;
}

/** The keys that some isolate left, read as strictly as the issuer's own answer; null where there are none. */
export async function readCopy(store: Store, issuer: IssuerPolicy): Promise<HeldKeys | null> {
  const entry = await store.read(entryOf(issuer));
  // A contract may give the name to another issuer.
  if (entry === undefined || entry === null || member(entry, "issuer") !== issuer.issuer) return null;
  const keys = await readKeySet(entry, issuer.algorithms);
  const fetchedAt = member(entry, "fetched_at");
  const freshSeconds = member(entry, "fresh_seconds");
  if (keys === undefined || !Number.isSafeInteger(fetchedAt) || !Number.isSafeInteger(freshSeconds)) return null;
  return { keys, fetchedAt: fetchedAt as number, freshSeconds: freshSeconds as number };
}

/** Leaves the keys near, and far where the whole world shall have them. */
export async function writeCopies({ near, far }: KeyStores, issuer: IssuerPolicy, held: HeldKeys, alsoFar: boolean): Promise<void> {
  const entry: JsonObject = {
    issuer: issuer.issuer,
    fetched_at: held.fetchedAt,
    fresh_seconds: held.freshSeconds,
    keys: [...held.keys.values()].map(({ jwk }) => jwk),
  };
  await Promise.all([
    near.write(entryOf(issuer), entry, held.freshSeconds),
    alsoFar ? far.write(entryOf(issuer), entry, MAX_KEYS_STALE_SECONDS) : undefined,
  ]);
}

/** Whether two sets hold the same keys. */
export function sameKeys(one: HeldKeys | null, other: HeldKeys): boolean {
  const listed = (held: HeldKeys): string => JSON.stringify([...held.keys.values()].map(({ jwk }) => jwk));
  return one !== null && listed(one) === listed(other);
}

/** The new set, in which a key that the old one held too is the old object: what was verified by it stays verified. */
export function withKnownKeys(fetched: KeySet, held: KeySet | undefined): KeySet {
  return new Map(
    [...fetched].map(([kid, key]) => {
      const known = held?.get(kid);
      return [kid, known !== undefined && JSON.stringify(known.jwk) === JSON.stringify(key.jwk) ? known : key];
    }),
  );
}
