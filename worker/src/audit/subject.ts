import { LOGGED_HASH_DIGITS, MAX_PSEUDONYMS } from "../constants";
import { BoundedMap } from "../support/bounded_map";
import { hex } from "../support/hex";

/** Gives each subject a pseudonym that is the same on both tiers and can be told only by who holds the salt. */
export class Pseudonyms {
  readonly #salt: string;
  readonly #encoder = new TextEncoder();
  /** Those given last: callers come again. */
  readonly #given = new BoundedMap<string>(MAX_PSEUDONYMS);
  #key: CryptoKey | null = null;

  constructor(salt: string) {
    this.#salt = salt;
  }

  /** The first 128 bits of HMAC-SHA-256(salt, `iss|sub`), as 32 hexadecimal digits. `issuer` is the issuer's identifier. */
  async of(issuer: string, subject: string): Promise<string> {
    const named = `${issuer}|${subject}`;
    const before = this.#given.get(named);
    if (before !== undefined) return before;
    this.#key ??= await crypto.subtle.importKey(
      "raw",
      this.#encoder.encode(this.#salt),
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    );
    const digest = await crypto.subtle.sign("HMAC", this.#key, this.#encoder.encode(named));
    const pseudonym = hex(new Uint8Array(digest)).slice(0, LOGGED_HASH_DIGITS);
    this.#given.set(named, pseudonym);
    return pseudonym;
  }
}
