import { KV_DEADLINE_MS, MIN_KV_TTL_SECONDS } from "../constants";
import { logEvent } from "../audit/event_log";
import { LATE, within } from "./deadline";
import { type JsonObject, parseJsonObject } from "./json";

/** A place outside the isolate for small JSON objects that can be had elsewhere, so no failure of it is the request's. */
export interface Store {
  /**
   * The object of that key; null where the store says that there is none, `undefined` where it is slow, down or holds
   * something else. `cacheSeconds` is how old the answer of a cache on the way may be, if not the store's default.
   */
  read(key: string, cacheSeconds?: number): Promise<JsonObject | null | undefined>;
  /** Keeps an object for about that many seconds. A failure is logged and forgotten. */
  write(key: string, value: JsonObject, seconds: number): Promise<void>;
}

/** Workers KV: one for the whole world, and behind by a minute or more. */
export function kvStore(kv: KVNamespace): Store {
  return {
    read: (key, cacheSeconds) =>
      bounded(() => kv.get(key, cacheSeconds === undefined ? { type: "text" } : { type: "text", cacheTtl: cacheSeconds })),
    async write(key, value, seconds) {
      try {
        await kv.put(key, JSON.stringify(value), { expirationTtl: Math.max(seconds, MIN_KV_TTL_SECONDS) });
      } catch {
        logEvent({ event: "kv-write-failed" });
      }
    },
  };
}

/** The Cache API: one for each data centre, at once, and possibly forgotten at any time. Not there on workers.dev. */
export function cacheStore(cache: () => Cache): Store {
  return {
    read: (key) => bounded(async () => (await (await cache().match(addressOf(key)))?.text()) ?? null),
    async write(key, value, seconds) {
      try {
        const headers = { "content-type": "application/json", "cache-control": `max-age=${seconds}` };
        await cache().put(addressOf(key), new Response(JSON.stringify(value), { headers }));
      } catch {
        // It is a copy of what KV has.
      }
    },
  };
}

/** What a cache calls an entry: a URL, of a name that nobody can have (RFC 6761 §6.4). */
function addressOf(key: string): string {
  return `https://portcullis.invalid/${encodeURIComponent(key)}`;
}

async function bounded(read: () => Promise<string | null>): Promise<JsonObject | null | undefined> {
  try {
    const text = await within(read(), KV_DEADLINE_MS);
    if (text === LATE) return undefined;
    return text === null ? null : parseJsonObject(text);
  } catch {
    return undefined;
  }
}
