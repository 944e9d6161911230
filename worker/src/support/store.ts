import { KV_DEADLINE_MS, MIN_KV_TTL_SECONDS } from "../constants";
import { logEvent } from "../audit/event_log";
import { LATE, within } from "./deadline";
import { type JsonObject, parseJsonObject } from "./json";

/** What of Workers KV is used: small JSON objects that can be had elsewhere, so no failure of it is one of the request. */
export interface Store {
  /** The object of that key; `undefined` where there is none, or KV is slow, down or holds something else. */
  read(key: string): Promise<JsonObject | undefined>;
  /** Keeps an object for at least that many seconds. A failure is logged and forgotten. */
  write(key: string, value: JsonObject, seconds: number): Promise<void>;
}

/** The store in a KV namespace. */
export function kvStore(kv: KVNamespace): Store {
  return {
    async read(key) {
      try {
        const text = await within(kv.get(key, "text"), KV_DEADLINE_MS);
        return text === LATE || text === null ? undefined : parseJsonObject(text);
      } catch {
        return undefined;
      }
    },
    async write(key, value, seconds) {
      try {
        await kv.put(key, JSON.stringify(value), { expirationTtl: Math.max(seconds, MIN_KV_TTL_SECONDS) });
      } catch {
        logEvent({ event: "kv-write-failed" });
      }
    },
  };
}
