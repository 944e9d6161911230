import { base64url } from "jose";
import { DPOP_NONCE_SECONDS } from "../constants";
import { macKey } from "../support/mac_key";

/**
 * DPoP nonces (RFC 9449 §9) that need no memory: the MAC of the time, in steps of {@link DPOP_NONCE_SECONDS}. That of
 * the step before is good too, so one lasts from one step to two. Every isolate of the stack makes the same.
 */
export class Nonces {
  readonly #secret: string;
  #key: Promise<CryptoKey> | null = null;

  /** @param secret - known to the gateway only. */
  constructor(secret: string) {
    this.#secret = secret;
  }

  /** The nonce to use now. `now` in seconds since the epoch. */
  current(now: number): Promise<string> {
    return this.#ofStep(Math.floor(now / DPOP_NONCE_SECONDS));
  }

  /** Whether a nonce is one of this gateway's, and not too old. */
  async isGood(nonce: unknown, now: number): Promise<boolean> {
    const step = Math.floor(now / DPOP_NONCE_SECONDS);
    return nonce === (await this.#ofStep(step)) || nonce === (await this.#ofStep(step - 1));
  }

  async #ofStep(step: number): Promise<string> {
    this.#key ??= macKey(this.#secret, "portcullis dpop nonce v1");
    const mac = await crypto.subtle.sign("HMAC", await this.#key, new TextEncoder().encode(String(step)));
    return base64url.encode(new Uint8Array(mac).subarray(0, 16));
  }
}
