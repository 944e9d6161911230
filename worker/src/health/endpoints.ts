import { JWKS_MAX_AGE_SECONDS, READY_WAIT_MS, RETRY_AFTER_SECONDS } from "../constants";
import { type IssuerKeysHealth } from "../keys/freshness";
import { type Ring } from "../mint/ring";
import { methodNotAllowed, operationNotFound, type Refusal } from "../problems/refusal";
import { within } from "../support/deadline";
import { err, ok, type Result } from "../support/result";
import { type KeepAlive } from "../support/single_flight";
import { publicKeySet } from "./key_set";

/** Where the gateway answers for itself. The contract refuses operations there. */
export const OWN_PREFIX = "/.well-known/portcullis/";

/** The only methods of the gateway's own endpoints: they are read. */
const METHODS: readonly string[] = ["GET", "HEAD"];

/** How the keys of all issuers are: as the worst of them is. */
export interface KeysHealth {
  readonly state: IssuerKeysHealth["state"];
  /** Seconds since the oldest set in use was fetched; null where there is none. */
  readonly age_seconds: number | null;
}

/** What an operator, or a load balancer, is told: exactly these members. */
interface HealthReport {
  readonly status: "live" | "ready" | "degraded" | "unready";
  /** The id of the Worker version that answers. */
  readonly version: string;
  readonly ring_seq: number;
  /** The contract's version. */
  readonly contract: string;
  readonly keys: KeysHealth;
}

/** What the endpoints speak of. */
export interface HealthOptions {
  readonly version: string;
  readonly ring: Ring;
  readonly contract: string;
  /** How each issuer's keys are in this isolate, as far as is known. */
  readonly keys: () => readonly IssuerKeysHealth[];
  /** Gets the keys that are missing, no sooner than a request would. */
  readonly prepare: (keepAlive: KeepAlive) => Promise<void>;
}

/**
 * The gateway's own endpoints: its public keys (RFC 7517), whether it runs, and whether it can decide about callers.
 * They need no credentials and say nothing of issuers, operations or consumers.
 */
export class HealthEndpoints {
  readonly #options: HealthOptions;
  readonly #keySet: string;

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#keySet = JSON.stringify(publicKeySet(options.ring));
  }

  /** Answers a request to a path below {@link OWN_PREFIX}; the body of a HEAD's answer is left out. */
  async answer(method: string, path: string, keepAlive: KeepAlive): Promise<Result<Response, Refusal>> {
    const endpoint = this.#endpoint(path.slice(OWN_PREFIX.length));
    if (endpoint === null) return err(operationNotFound());
    if (!METHODS.includes(method)) return err(methodNotAllowed(METHODS));
    const response = await endpoint(keepAlive);
    return ok(method === "HEAD" ? new Response(null, response) : response);
  }

  #endpoint(name: string): ((keepAlive: KeepAlive) => Response | Promise<Response>) | null {
    switch (name) {
      case "jwks.json":
        return () => this.#jwks();
      case "live":
        return () => this.#report("live");
      case "ready":
        return (keepAlive) => this.#ready(keepAlive);
      default:
        return null;
    }
  }

  #jwks(): Response {
    return answerOf(this.#keySet, 200, {
      // RFC 7517 §8.5.2.
      "content-type": "application/jwk-set+json",
      "cache-control": `public, max-age=${JWKS_MAX_AGE_SECONDS}`,
    });
  }

  /**
   * Ready with keys of every issuer, degraded where some issuer's are missing (callers of the others are served), and
   * unready where no caller at all could be verified.
   */
  async #ready(keepAlive: KeepAlive): Promise<Response> {
    const prepared = this.#options.prepare(keepAlive);
    keepAlive(prepared);
    await within(prepared, READY_WAIT_MS);
    const states = this.#options.keys().map(({ state }) => state);
    if (!states.includes("missing")) return this.#report("ready");
    return this.#report(states.every((state) => state === "missing") ? "unready" : "degraded");
  }

  #report(status: HealthReport["status"]): Response {
    const { version, ring, contract, keys } = this.#options;
    const report: HealthReport = { status, version, ring_seq: ring.seq, contract, keys: worstOf(keys()) };
    const retry = status === "unready" ? { "retry-after": String(RETRY_AFTER_SECONDS) } : {};
    return answerOf(JSON.stringify(report), status === "unready" ? 503 : 200, {
      "content-type": "application/json",
      "cache-control": "no-store",
      ...retry,
    });
  }
}

function worstOf(issuers: readonly IssuerKeysHealth[]): KeysHealth {
  const states = issuers.map(({ state }) => state);
  const state = (["missing", "stale"] as const).find((worse) => states.includes(worse)) ?? "fresh";
  const ages = issuers.flatMap(({ ageSeconds }) => (ageSeconds === null ? [] : [ageSeconds]));
  return { state, age_seconds: ages.length === 0 ? null : Math.max(...ages) };
}

function answerOf(document: string, status: number, headers: Readonly<Record<string, string>>): Response {
  const length = String(new TextEncoder().encode(document).length);
  return new Response(document, { status, headers: { ...headers, "content-length": length } });
}
