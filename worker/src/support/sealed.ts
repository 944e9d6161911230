import { base64url } from "jose";
import { macKey } from "./mac_key";
import { type JsonObject, isJsonObject, member } from "./json";
import { type Store } from "./store";

/**
 * A store whose entries only the gateway itself can write: each carries a MAC over its key and value. Without it, who can
 * write to KV, or is another Worker that shares a cache, could name keys and callers of its own.
 */
export function sealedStore(store: Store, secret: string): Store {
  let imported: Promise<CryptoKey> | null = null;
  const key = (): Promise<CryptoKey> => (imported ??= macKey(secret, "portcullis store v1"));
  return {
    async read(name, cacheSeconds) {
      const entry = await store.read(name, cacheSeconds);
      if (entry === undefined || entry === null) return entry;
      const value = member(entry, "value");
      const seal = member(entry, "seal");
      if (!isJsonObject(value) || typeof seal !== "string") return undefined;
      return (await verifies(await key(), seal, name, value)) ? value : undefined;
    },
    async write(name, value, seconds) {
      const seal = await crypto.subtle.sign("HMAC", await key(), sealed(name, value));
      await store.write(name, { value, seal: base64url.encode(new Uint8Array(seal)) }, seconds);
    },
  };
}

async function verifies(key: CryptoKey, seal: string, name: string, value: JsonObject): Promise<boolean> {
  try {
    return await crypto.subtle.verify("HMAC", key, new Uint8Array(base64url.decode(seal)), sealed(name, value));
  } catch {
    return false;
  }
}

/** JSON that was written by this code is read and written again to the byte. */
function sealed(name: string, value: JsonObject) {
  return new TextEncoder().encode(`${name}\n${JSON.stringify(value)}`);
}
