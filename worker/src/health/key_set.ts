import { type Ring } from "../mint/ring";

/** The members of a public key that are published, by RFC 7517 §4 and RFC 7518 §6: none of them is private. */
const PUBLIC_MEMBERS = ["kty", "crv", "x", "y", "n", "e", "kid", "alg"] as const;

/** A published key: text members only. */
export type PublishedKey = Readonly<Record<string, string>>;

/** The ring's public keys as a JWK Set (RFC 7517 §5), in the ring's order. Members are copied one by one. */
export function publicKeySet({ keys }: Ring): { readonly keys: readonly PublishedKey[] } {
  return {
    keys: keys.map((key) => {
      const members = PUBLIC_MEMBERS.flatMap((name) => {
        const value: unknown = key[name];
        return typeof value === "string" ? [[name, value] as const] : [];
      });
      return { ...Object.fromEntries(members), use: "sig" };
    }),
  };
}
