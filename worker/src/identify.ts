import { type Bindings } from "./bindings";
import { type Caller } from "./claims/caller";
import { PROFILES } from "./claims/profiles";
import { MAX_TOKEN_BYTES, MIN_OPAQUE_TOKEN_CHARACTERS } from "./constants";
import { Introspector } from "./introspection/introspector";
import { type IssuerKeysHealth } from "./keys/freshness";
import { IssuerKeys } from "./keys/issuer_keys";
import { introspectionUnavailable, invalidToken, keysUnavailable, type Refusal } from "./problems/refusal";
import { nowSeconds } from "./support/clock";
import { err, type Result } from "./support/result";
import { type KeepAlive } from "./support/single_flight";
import { kvStore } from "./support/store";
import { looksLikeJose } from "./token/compact";
import { type TokenFault } from "./token/fault";
import { verifyJwt } from "./token/verify";

// RFC 6750 §2.1, b64token.
const OPAQUE = new RegExp(`^[A-Za-z0-9._~+/-]{${MIN_OPAQUE_TOKEN_CHARACTERS},${MAX_TOKEN_BYTES}}=*$`);

/** Finds out who is calling, from the token: a JWT by its signature, an opaque token by asking its issuer. */
export class Identifier {
  readonly #leeway: number;
  readonly #keys: readonly IssuerKeys[];
  /** By every value that `iss` may have. */
  readonly #issuers = new Map<unknown, { readonly policy: Bindings["policy"]["issuers"][number]; readonly keys: IssuerKeys }>();
  /** An opaque token does not name its issuer, so there is one only where exactly one issuer introspects. */
  readonly #introspector: Introspector | null;

  constructor({ policy, kv, introspectionSecrets }: Bindings) {
    const store = kvStore(kv);
    this.#leeway = policy.leeway_seconds;
    this.#keys = policy.issuers.map((issuer) => {
      const keys = new IssuerKeys(issuer, store);
      for (const iss of PROFILES[issuer.profile].issuers(issuer.issuer)) this.#issuers.set(iss, { policy: issuer, keys });
      return keys;
    });
    const [only, ...others] = policy.issuers.filter(({ introspection }) => introspection !== null);
    const secret = only === undefined ? undefined : introspectionSecrets.get(only.name);
    this.#introspector =
      only === undefined || secret === undefined || others.length > 0
        ? null
        : new Introspector(only, { secret, contract: policy.contract, leeway: this.#leeway }, store);
  }

  /** Fetches every issuer's keys. One that is down does not keep the others waiting. */
  async warm(keepAlive: KeepAlive): Promise<void> {
    await Promise.all(this.#keys.map((keys) => keys.warm(keepAlive)));
  }

  /** Gets the keys that are missing, no sooner than a request would. */
  async prepare(keepAlive: KeepAlive): Promise<void> {
    await Promise.all(this.#keys.map((keys) => keys.prepare(keepAlive)));
  }

  /** How each issuer's keys are. */
  keysHealth(): readonly IssuerKeysHealth[] {
    return this.#keys.map((keys) => keys.health);
  }

  /** The caller whom a token names, or why it is not accepted. */
  async identify(token: string, keepAlive: KeepAlive): Promise<Result<Caller, Refusal>> {
    if (looksLikeJose(token)) {
      const caller = await this.#verify(token, keepAlive);
      return caller.ok ? caller : err(caller.error === "unavailable" ? keysUnavailable() : invalidToken(caller.error));
    }
    if (this.#introspector === null || !OPAQUE.test(token)) return err(invalidToken("malformed"));
    const caller = await this.#introspector.caller(token, keepAlive);
    return caller.ok
      ? caller
      : err(caller.error === "unavailable" ? introspectionUnavailable() : invalidToken(caller.error));
  }

  #verify(token: string, keepAlive: KeepAlive): Promise<Result<Caller, TokenFault | "unavailable">> {
    const trusted = (iss: unknown): ReturnType<Parameters<typeof verifyJwt>[1]> => {
      const issuer = this.#issuers.get(iss);
      return issuer && { policy: issuer.policy, findKey: (kid) => issuer.keys.find(kid, keepAlive) };
    };
    return verifyJwt(token, trusted, { now: nowSeconds(), leeway: this.#leeway });
  }
}
