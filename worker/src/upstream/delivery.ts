import { type Bindings } from "../bindings";
import { type Allowed } from "../decision/decider";
import { type Exchange } from "../exchange";
import { Minter } from "../mint/minter";
import { type Minted, Reuse } from "../mint/reuse";
import { nowSeconds } from "../support/clock";
import { type Result } from "../support/result";
import { type Answer, forward, type UpstreamFault } from "./forward";
import { isResendable, type OnwardRequest } from "./send";

/** Takes allowed requests to Apigee, each with an internal token. */
export class Delivery {
  readonly #policy: Bindings["policy"];
  readonly #minter: Minter;
  readonly #reuse: Reuse;

  constructor({ policy, ring, environment }: Bindings) {
    this.#policy = policy;
    this.#minter = new Minter({ ring, internal: policy.internal, environment, contract: policy.contract });
    this.#reuse = new Reuse(policy.internal.reuse_seconds);
  }

  /** Forwards the request; once more with a new token where Apigee does not know the key of the first. */
  async deliver(allowed: Allowed, onward: OnwardRequest, exchange: Exchange): Promise<Result<Answer, UpstreamFault>> {
    const answer = await this.#send(allowed, onward, exchange);
    // A key that Apigee no longer or not yet has is not the caller's trouble.
    if (answer.ok || answer.error.tokenRefusal !== "edge-key-unknown") return answer;
    this.#reuse.forget(allowed.caller);
    return isResendable(onward) ? this.#send(allowed, onward, exchange) : answer;
  }

  async #send(allowed: Allowed, onward: OnwardRequest, exchange: Exchange): Promise<Result<Answer, UpstreamFault>> {
    const { token, txn } = await this.#token(allowed, exchange, nowSeconds());
    exchange.found({ txn, kid: this.#minter.kid });
    onward.headers.set("txn-token", token);
    const answer = await forward(onward, this.#policy.upstream_timeout_seconds * 1000, this.#policy.problems);
    exchange.found({ upstream_status: answer.ok ? answer.value.head.status : answer.error.upstreamStatus });
    return answer;
  }

  async #token(
    { operation, caller, consumer, subjectHash }: Allowed,
    exchange: Exchange,
    now: number,
  ): Promise<Minted> {
    const known = this.#reuse.recall(caller, operation.name, now);
    if (known !== null) {
      exchange.found({ "auth.cache": "reused" });
      return known;
    }
    const txn = crypto.randomUUID();
    const transaction = {
      txn,
      subject: caller.subject,
      clientId: consumer.consumer_key,
      roles: caller.roles,
      product: operation.product,
      operation: operation.name,
      issuer: caller.issuer,
      subjectHash,
    };
    const minted = { token: await this.#minter.mint(transaction, now), txn, mintedAt: now };
    this.#reuse.remember(caller, operation.name, minted);
    return minted;
  }
}
