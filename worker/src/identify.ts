import { type AuthCache } from "./audit/line";
import { type Bindings } from "./bindings";
import { type Caller } from "./claims/caller";
import { PROFILES } from "./claims/profiles";
import { LOGGED_HASH_DIGITS, MAX_TOKEN_BYTES, MIN_OPAQUE_TOKEN_CHARACTERS } from "./constants";
import { type Exchange } from "./exchange";
import { Introspector } from "./introspection/introspector";
import { type IssuerKeysHealth } from "./keys/freshness";
import { IssuerKeys } from "./keys/issuer_keys";
import { type VerificationKey } from "./keys/verification_key";
import { namesItsIssuer } from "./policy/decode";
import { type IssuerPolicy } from "./policy/table";
import { Nonces } from "./possession/nonce";
import { Possession, type Presented } from "./possession/possession";
import { introspectionUnavailable, invalidToken, keysUnavailable, type Refusal } from "./problems/refusal";
import { Revocations } from "./revocation/list";
import { nowSeconds } from "./support/clock";
import { sha256Hex } from "./support/hex";
import { member } from "./support/json";
import { err, ok, type Result } from "./support/result";
import { sealedStore } from "./support/sealed";
import { type KeepAlive } from "./support/single_flight";
import { cacheStore, kvStore, type Store } from "./support/store";
import { type CompactToken, looksLikeJose, parseCompact } from "./token/compact";
import { verifyJwt } from "./token/verify";
import { SharedTokens } from "./verified/shared";
import { VerifiedTokens } from "./verified/tokens";

// RFC 6750 §2.1, b64token.
const OPAQUE = new RegExp(`^[A-Za-z0-9._~+/-]{${MIN_OPAQUE_TOKEN_CHARACTERS},${MAX_TOKEN_BYTES}}=*$`);

/** An issuer with what this isolate knows of it. */
interface KnownIssuer {
  readonly policy: IssuerPolicy;
  /** Null where the issuer's tokens are not verified here. */
  readonly keys: IssuerKeys | null;
  /** Null where the issuer is not asked. */
  readonly introspector: Introspector | null;
}

/** A caller, and how that was found out. */
interface Identified {
  readonly caller: Caller;
  /** Of the key that signed the token; null where its issuer was asked. */
  readonly algorithm: string | null;
  readonly cache: AuthCache;
}

/**
 * Finds out who is calling: from the token (a JWT by its signature, another by asking its issuer), the revocation list,
 * and what the sender proves to have.
 */
export class Identifier {
  readonly #leeway: number;
  readonly #issuers: readonly KnownIssuer[];
  /** By every value that `iss` may have. */
  readonly #byIss: ReadonlyMap<unknown, KnownIssuer>;
  readonly #byName: ReadonlyMap<string, KnownIssuer>;
  /** Those whose tokens do not say whose they are, the longest prefix first. */
  readonly #opaque: readonly KnownIssuer[];
  readonly #revocations: Revocations;
  readonly #possession: Possession;
  readonly #verified: VerifiedTokens;
  /** Null where the contract keeps JWTs out of KV. */
  readonly #shared: SharedTokens | null;

  constructor(bindings: Bindings) {
    const { policy, auditSalt } = bindings;
    const kv = kvStore(bindings.kv);
    const far = sealedStore(kv, auditSalt);
    const near = sealedStore(cacheStore(() => caches.default), auditSalt);
    this.#leeway = policy.leeway_seconds;
    this.#issuers = policy.issuers.map((issuer) => ({
      policy: issuer,
      keys: issuer.algorithms.length === 0 ? null : new IssuerKeys(issuer, { near, far }),
      introspector: introspectorOf(issuer, bindings, far),
    }));
    this.#byName = new Map(this.#issuers.map((issuer) => [issuer.policy.name, issuer]));
    this.#byIss = new Map(
      this.#issuers.flatMap((known) =>
        PROFILES[known.policy.profile].issuers(known.policy.issuer).map((iss) => [iss, known] as const),
      ),
    );
    this.#opaque = this.#issuers
      .filter(({ policy: issuer, introspector }) => introspector !== null && !namesItsIssuer(issuer))
      .sort((one, other) => prefixOf(other).length - prefixOf(one).length);
    // The command line writes the list, and it can only take rights away: it needs no seal.
    this.#revocations = new Revocations(kv);
    const nonces = new Nonces(auditSalt);
    this.#possession = new Possession({ issuers: policy.issuers, leeway: this.#leeway, nonces, guards: bindings.replay });
    const { seconds, kv: isShared } = policy.token_cache;
    this.#verified = new VerifiedTokens(seconds);
    this.#shared = isShared ? new SharedTokens(far, policy.contract, seconds) : null;
  }

  /** Fetches every issuer's keys. One that is down does not keep the others waiting. */
  async warm(keepAlive: KeepAlive): Promise<void> {
    await Promise.all(this.#keys().map((keys) => keys.warm(keepAlive)));
  }

  /** Gets the keys that are missing, no sooner than a request would. */
  async prepare(keepAlive: KeepAlive): Promise<void> {
    await Promise.all(this.#keys().map((keys) => keys.prepare(keepAlive)));
  }

  /** How each issuer's keys are. */
  keysHealth(): readonly IssuerKeysHealth[] {
    return this.#keys().map((keys) => keys.health);
  }

  #keys(): readonly IssuerKeys[] {
    return this.#issuers.flatMap(({ keys }) => keys ?? []);
  }

  /** The caller, or why the token is not accepted from who sent it. How that was found out is noted in the exchange. */
  async identify(presented: Presented, exchange: Exchange, keepAlive: KeepAlive): Promise<Result<Caller, Refusal>> {
    const listed = this.#revocations.refresh(keepAlive);
    const digest = await sha256Hex(presented.token);
    const identified = await this.#identified(presented.token, digest, keepAlive);
    if (!identified.ok) return identified;
    const { caller, algorithm, cache } = identified.value;
    exchange.found({
      "auth.alg": algorithm,
      "auth.kid": caller.kid,
      "auth.token_hash": digest.slice(0, LOGGED_HASH_DIGITS),
      "auth.cache": cache,
    });
    await listed;
    if (this.#revocations.covers(caller)) return err(invalidToken("revoked"));
    const refusal = await this.#possession.refusal(caller, presented);
    return refusal === null ? ok(caller) : err(refusal);
  }

  async #identified(token: string, digest: string, keepAlive: KeepAlive): Promise<Result<Identified, Refusal>> {
    const known = this.#verified.recall(digest, (issuer, key) => this.#byName.get(issuer)?.keys?.stillHas(key, keepAlive) === true);
    if (known !== null) return ok({ caller: known.caller, algorithm: known.key.algorithm, cache: "isolate" });
    const opaque = this.#opaqueIssuer(token);
    // A prefix says more than the form: an opaque token may have two dots.
    if (!looksLikeJose(token) || (opaque !== undefined && prefixOf(opaque) !== "")) {
      return this.#ask(opaque, token, digest, keepAlive);
    }
    const parsed = parseCompact(token);
    if (parsed === undefined) return err(invalidToken("malformed"));
    const issuer = this.#byIss.get(member(parsed.claims, "iss"));
    if (issuer === undefined) return err(invalidToken("untrusted"));
    return issuer.keys === null
      ? this.#ask(issuer, token, digest, keepAlive)
      : this.#verify(parsed, digest, issuer.policy, issuer.keys, keepAlive);
  }

  async #verify(
    token: CompactToken,
    digest: string,
    policy: IssuerPolicy,
    keys: IssuerKeys,
    keepAlive: KeepAlive,
  ): Promise<Result<Identified, Refusal>> {
    const trusted = {
      policy,
      findKey: (kid: string) => keys.find(kid, keepAlive),
      replacementOf: (key: VerificationKey) => keys.replacementOf(key, keepAlive),
    };
    const moment = { now: nowSeconds(), leeway: this.#leeway };
    const verified = await verifyJwt(token, trusted, moment, async (key) => (await this.#shared?.recall(digest, key)) ?? null);
    if (!verified.ok) return err(verified.error === "unavailable" ? keysUnavailable() : invalidToken(verified.error));
    const { caller, key, isRecalled } = verified.value;
    this.#verified.remember(digest, caller, key);
    if (this.#shared !== null && !isRecalled) keepAlive(this.#shared.remember(digest, caller, key));
    return ok({ caller, algorithm: key.algorithm, cache: isRecalled ? "kv" : "miss" });
  }

  async #ask(
    issuer: KnownIssuer | undefined,
    token: string,
    digest: string,
    keepAlive: KeepAlive,
  ): Promise<Result<Identified, Refusal>> {
    if (!issuer?.introspector) return err(invalidToken("malformed"));
    const caller = await issuer.introspector.caller(token, digest, keepAlive);
    if (caller.ok) return ok({ caller: caller.value, algorithm: null, cache: "introspected" });
    return err(caller.error === "unavailable" ? introspectionUnavailable() : invalidToken(caller.error));
  }

  /** Whose an opaque token is. Only that issuer is asked: a question hands the token over. */
  #opaqueIssuer(token: string): KnownIssuer | undefined {
    return OPAQUE.test(token) ? this.#opaque.find((issuer) => token.startsWith(prefixOf(issuer))) : undefined;
  }
}

function prefixOf({ policy }: KnownIssuer): string {
  return policy.introspection?.token_prefix ?? "";
}

function introspectorOf(
  issuer: IssuerPolicy,
  { policy, introspectionSecrets }: Bindings,
  store: Store,
): Introspector | null {
  if (issuer.introspection === null) return null;
  const secrets = introspectionSecrets.get(issuer.name) ?? [""];
  const options = { introspection: issuer.introspection, secrets, contract: policy.contract, leeway: policy.leeway_seconds };
  return new Introspector(issuer, options, store);
}
