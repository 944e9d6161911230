import { Pseudonyms } from "../audit/subject";
import { type Bindings } from "../bindings";
import { type Caller } from "../claims/caller";
import { MAX_BODY_BYTES } from "../constants";
import { type Exchange } from "../exchange";
import { type Identifier } from "../identify";
import { Limiter } from "../limits/limiter";
import { type ConsumerPolicy, type OperationPolicy } from "../policy/table";
import { certificateThumbprint } from "../possession/certificate";
import { type Presented } from "../possession/possession";
import { methodNotAllowed, operationNotFound, type Refusal } from "../problems/refusal";
import { type Credentials, credentials } from "../request/credentials";
import { bodyRefusal } from "../request/headers";
import { compileMatcher, type Matcher } from "../routing/matcher";
import { type Target } from "../routing/path";
import { nowSeconds } from "../support/clock";
import { err, ok, type Result } from "../support/result";
import { type KeepAlive } from "../support/single_flight";
import { authorize } from "./authorize";

/** Who may do what: a request that is allowed. */
export interface Allowed {
  readonly operation: OperationPolicy;
  readonly caller: Caller;
  readonly consumer: ConsumerPolicy;
  /** The subject's pseudonym. */
  readonly subjectHash: string;
}

/** Bytes that the body of an operation may have. */
export function bodyLimit(operation: OperationPolicy): number {
  return operation.max_body_bytes ?? MAX_BODY_BYTES;
}

/** Decides about requests, each step cheaper than the next: the operation, the caller, the caller's right, the limit. */
export class Decider {
  readonly #policy: Bindings["policy"];
  readonly #matcher: Matcher;
  readonly #identifier: Identifier;
  readonly #limiter: Limiter;
  readonly #pseudonyms: Pseudonyms;
  /** The issuers' identifiers by their names in the contract. */
  readonly #issuerOf: ReadonlyMap<string, string>;

  constructor({ policy, limits, auditSalt }: Bindings, identifier: Identifier) {
    this.#policy = policy;
    this.#matcher = compileMatcher(policy.operations);
    this.#identifier = identifier;
    this.#limiter = new Limiter(policy.products, limits);
    this.#pseudonyms = new Pseudonyms(auditSalt);
    this.#issuerOf = new Map(policy.issuers.map(({ name, issuer }) => [name, issuer]));
  }

  /** Whether a request is allowed, and as what. What becomes known on the way is noted in the exchange. */
  async decide(
    request: Request,
    target: Target,
    exchange: Exchange,
    keepAlive: KeepAlive,
  ): Promise<Result<Allowed, Refusal>> {
    const operation = this.#match(request.method, target.path, exchange);
    if (!operation.ok) return operation;
    const tooLarge = bodyRefusal(request.headers, bodyLimit(operation.value));
    if (tooLarge !== null) return err(tooLarge);
    const sent = credentials(request.headers.get("authorization"), target.query);
    if (!sent.ok) return sent;
    const caller = await this.#identifier.identify(presentedIn(request, sent.value), exchange, keepAlive);
    if (!caller.ok) return caller;
    return this.#authorize(operation.value, caller.value, exchange);
  }

  /** The methods of a path, for a preflight that asks about one of them; a refusal where there is no such path. */
  methodsOf(path: string, asked: string, exchange: Exchange): Result<readonly string[], Refusal> {
    // OPTIONS is no operation's method, so this tells all others.
    const match = this.#matcher("OPTIONS", path);
    if (match.kind !== "method-not-allowed") return err(operationNotFound());
    this.#match(asked, path, exchange);
    return ok(match.allow);
  }

  async #authorize(operation: OperationPolicy, caller: Caller, exchange: Exchange): Promise<Result<Allowed, Refusal>> {
    const { issuer, roles, clientId, subject } = caller;
    const subjectHash = await this.#pseudonyms.of(this.#issuerOf.get(issuer) ?? issuer, subject);
    exchange.found({ issuer, client_id: clientId, "user.hash": subjectHash, "user.roles": roles });
    if (this.#policy.audit_subject === "plain") exchange.found({ "user.id": subject });
    const consumer = authorize(caller, operation, this.#policy.consumers);
    if (!consumer.ok) return consumer;
    const { consumer_key } = consumer.value;
    exchange.found({ client_id: consumer_key });
    const tooMany = await this.#limiter.count(operation.product, consumer_key, nowSeconds());
    return tooMany === null ? ok({ operation, caller, consumer: consumer.value, subjectHash }) : err(tooMany);
  }

  #match(method: string, path: string, exchange: Exchange): Result<OperationPolicy, Refusal> {
    const match = this.#matcher(method, path);
    switch (match.kind) {
      case "operation": {
        const { name, path: route, product } = match.operation;
        exchange.found({ operation: name, "http.route": route, product });
        return ok(match.operation);
      }
      case "method-not-allowed":
        return err(methodNotAllowed(match.allow));
      case "not-found":
        return err(operationNotFound());
    }
  }
}

function presentedIn(request: Request, sent: Credentials): Presented {
  const { scheme, token } = sent;
  return {
    scheme,
    token,
    // Looked up only for tokens that are bound to something: each costs more than all the rest.
    get method() {
      return request.method;
    },
    get url() {
      return request.url;
    },
    get proof() {
      return request.headers.get("dpop");
    },
    get certificate() {
      return certificateThumbprint(request.cf);
    },
  };
}
