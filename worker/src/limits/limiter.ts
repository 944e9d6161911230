import { logEvent } from "../audit/event_log";
import { LIMITER_DEADLINE_MS } from "../constants";
import { type LimitPolicy, type ProductPolicy } from "../policy/table";
import { quotaExceeded, type Refusal } from "../problems/refusal";
import { LATE, within } from "../support/deadline";

/** Cloudflare's rate limiting binding. It counts near the isolate, so it is no call over the network. */
export interface RateLimit {
  limit(options: { readonly key: string }): Promise<{ readonly success: boolean }>;
}

/** A product's limit, and the binding that counts for it. */
interface Counter {
  readonly policy: LimitPolicy;
  readonly binding: RateLimit;
}

/** The name of the binding of a product's limit. */
export function bindingOf(product: string): string {
  return `LIMIT_${product.toUpperCase().replaceAll("-", "_")}`;
}

/**
 * Counts each consumer's requests of each product at this location, and refuses what Apigee would refuse too. Apigee
 * counts exactly, over all locations: so a counter that fails or is late lets the request go on.
 */
export class Limiter {
  readonly #counters: ReadonlyMap<string, Counter>;

  /** @param bindings - by product. */
  constructor(products: ReadonlyMap<string, ProductPolicy>, bindings: ReadonlyMap<string, RateLimit>) {
    const counters = new Map<string, Counter>();
    for (const [product, binding] of bindings) {
      const policy = products.get(product)?.limit;
      if (policy !== undefined) counters.set(product, { policy, binding });
    }
    this.#counters = counters;
  }

  /** Counts one request; a refusal where there were too many. `now` in seconds since the epoch. */
  async count(product: string, consumerKey: string, now: number): Promise<Refusal | null> {
    const counter = this.#counters.get(product);
    if (counter === undefined || (await isWithinLimit(counter.binding, consumerKey))) return null;
    const { policy } = counter;
    // Windows are aligned to the clock, as far as is known; a client that comes early is only refused once more.
    return quotaExceeded({ ...policy, resetSeconds: policy.seconds - (now % policy.seconds) });
  }
}

async function isWithinLimit(binding: RateLimit, key: string): Promise<boolean> {
  try {
    const outcome = await within(binding.limit({ key }), LIMITER_DEADLINE_MS);
    if (outcome !== LATE) return outcome.success;
    logEvent({ event: "limiter-failed", cause: "late" });
  } catch {
    logEvent({ event: "limiter-failed", cause: "error" });
  }
  return true;
}
