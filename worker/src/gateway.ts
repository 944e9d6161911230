import { logEvent } from "./audit/event_log";
import { Pseudonyms } from "./audit/subject";
import { type Bindings } from "./bindings";
import { type Caller } from "./claims/caller";
import { MAX_BODY_BYTES } from "./constants";
import { authorize } from "./decision/authorize";
import { endingOf, Exchange, type Setting } from "./exchange";
import { HealthEndpoints, OWN_PREFIX } from "./health/endpoints";
import { Identifier } from "./identify";
import { Minter } from "./mint/minter";
import { ALGORITHMS, type ConsumerPolicy, type OperationPolicy, takesDpop } from "./policy/table";
import { certificateThumbprint } from "./possession/certificate";
import { type Presented } from "./possession/possession";
import { gatewayFault, invalidRequest, methodNotAllowed, operationNotFound, type Refusal } from "./problems/refusal";
import { problemResponse } from "./problems/response";
import { type Credentials, credentials } from "./request/credentials";
import { answerHeaders, onwardHeaders, sizeRefusal } from "./request/headers";
import { compileMatcher, type Matcher } from "./routing/matcher";
import { isUnambiguous, splitTarget, type Target } from "./routing/path";
import { nowSeconds } from "./support/clock";
import { err, ok, type Result } from "./support/result";
import { type KeepAlive } from "./support/single_flight";
import { type Answer, forward, type TokenRefusal, type UpstreamFault } from "./upstream/forward";
import { isResendable, type OnwardRequest } from "./upstream/send";

/** Why a request was not handed on, or its answer not handed back. */
interface Stop {
  readonly refusal: Refusal;
  /** How Apigee refused the internal token, if that is why. */
  readonly tokenRefusal?: TokenRefusal | null;
}

/** Who may do what: a request that is allowed. */
interface Allowed {
  readonly operation: OperationPolicy;
  readonly caller: Caller;
  readonly consumer: ConsumerPolicy;
  /** The subject's pseudonym. */
  readonly subjectHash: string;
}

/** Statuses whose answers have no body, and for which a Response takes none (Fetch Standard, null body status). */
const BODYLESS = new Set([101, 204, 205, 304]);

/** The way of a request through the edge, with everything that one isolate keeps between requests. */
export class Gateway {
  readonly #bindings: Bindings;
  readonly #matcher: Matcher;
  readonly #identifier: Identifier;
  readonly #health: HealthEndpoints;
  readonly #minter: Minter;
  readonly #pseudonyms: Pseudonyms;
  readonly #setting: Setting;
  /** The issuers' identifiers by their names in the contract. */
  readonly #issuerOf: ReadonlyMap<string, string>;

  constructor(bindings: Bindings) {
    const { policy, ring, environment, version } = bindings;
    this.#bindings = bindings;
    this.#matcher = compileMatcher(policy.operations);
    this.#identifier = new Identifier(bindings);
    this.#health = new HealthEndpoints({
      version,
      ring,
      contract: policy.contract,
      keys: () => this.#identifier.keysHealth(),
      prepare: (keepAlive) => this.#identifier.prepare(keepAlive),
    });
    this.#minter = new Minter({ ring, internal: policy.internal, environment, contract: policy.contract });
    this.#pseudonyms = new Pseudonyms(bindings.auditSalt);
    this.#setting = { env: environment, ring_seq: ring.seq, contract: policy.contract };
    this.#issuerOf = new Map(policy.issuers.map(({ name, issuer }) => [name, issuer]));
  }

  /** Fetches every issuer's keys, so that no caller waits for them. */
  async warm(keepAlive: KeepAlive): Promise<void> {
    await this.#identifier.warm(keepAlive);
  }

  /** Answers a request and writes its audit line; what fails unexpectedly is a problem too. */
  async handle(request: Request, keepAlive: KeepAlive): Promise<Response> {
    const exchange = new Exchange(request);
    const outcome = await this.#answer(request, exchange, keepAlive).catch((problem: unknown) => {
      logEvent({ event: "unexpected", error: problem instanceof Error ? problem.name : typeof problem });
      return err<Stop>({ refusal: gatewayFault() });
    });
    if (!outcome.ok) return this.#refuse(request, exchange, outcome.error);
    exchange.end({ decision: "allow", reason: "ok", status: outcome.value.status }, this.#setting);
    return outcome.value;
  }

  async #answer(request: Request, exchange: Exchange, keepAlive: KeepAlive): Promise<Result<Response, Stop>> {
    const target = readTarget(request);
    if (!target.ok) return err({ refusal: target.error });
    if (target.value.path.startsWith(OWN_PREFIX)) return this.#own(request, target.value.path, exchange, keepAlive);
    const answer = await this.#pass(request, target.value, exchange, keepAlive);
    if (!answer.ok) return answer;
    const { status, statusText, headers, body, webSocket } = answer.value;
    const init = { status, statusText, headers: answerHeaders(headers, exchange.trace.traceId), webSocket };
    return ok(new Response(BODYLESS.has(status) ? null : body, init));
  }

  #refuse(request: Request, exchange: Exchange, { refusal, tokenRefusal }: Stop): Response {
    exchange.end(endingOf(refusal, tokenRefusal ?? refusal.slug), this.#setting);
    const { policy } = this.#bindings;
    return problemResponse(refusal, {
      types: policy.problems,
      realm: policy.internal.issuer,
      dpop: takesDpop(policy) ? ALGORITHMS : null,
      traceId: exchange.trace.traceId,
      head: request.method === "HEAD",
    });
  }

  /** Answers for the gateway itself. */
  async #own(request: Request, path: string, exchange: Exchange, keepAlive: KeepAlive): Promise<Result<Response, Stop>> {
    const answer = await this.#health.answer(request.method, path, keepAlive);
    if (!answer.ok) return err({ refusal: answer.error });
    exchange.found({ route: path });
    answer.value.headers.set("x-request-id", exchange.trace.traceId);
    return answer;
  }

  async #pass(
    request: Request,
    target: Target,
    exchange: Exchange,
    keepAlive: KeepAlive,
  ): Promise<Result<Answer, Stop>> {
    const headers = onwardHeaders(request, exchange.trace);
    const allowed = await this.#decide(request, target, exchange, keepAlive);
    if (!allowed.ok) return err({ refusal: allowed.error });
    const url = this.#bindings.apigeeOrigin + target.path + target.query;
    const onward = { url, method: request.method, headers, body: bodyOf(request), maxBodyBytes: MAX_BODY_BYTES };
    const answer = await this.#mintAndForward(allowed.value, onward, exchange);
    // A key that Apigee no longer or not yet has is not the caller's trouble; a new token may find it.
    const again = !answer.ok && answer.error.tokenRefusal === "edge-key-unknown" && isResendable(onward);
    return again ? this.#mintAndForward(allowed.value, onward, exchange) : answer;
  }

  async #mintAndForward(
    allowed: Allowed,
    onward: OnwardRequest,
    exchange: Exchange,
  ): Promise<Result<Answer, UpstreamFault>> {
    onward.headers.set("txn-token", await this.#mint(allowed, exchange));
    const { policy } = this.#bindings;
    const answer = await forward(onward, policy.upstream_timeout_seconds * 1000, policy.problems);
    exchange.found({ upstream_status: answer.ok ? answer.value.status : answer.error.upstreamStatus });
    return answer;
  }

  async #decide(
    request: Request,
    target: Target,
    exchange: Exchange,
    keepAlive: KeepAlive,
  ): Promise<Result<Allowed, Refusal>> {
    const operation = this.#match(request.method, target.path, exchange);
    if (!operation.ok) return operation;
    const sent = credentials(request.headers.get("authorization"), target.query);
    if (!sent.ok) return sent;
    const caller = await this.#identifier.identify(presentedIn(request, sent.value), keepAlive);
    if (!caller.ok) return caller;
    const { issuer, roles, clientId } = caller.value;
    const subjectHash = await this.#pseudonyms.of(this.#issuerOf.get(issuer) ?? issuer, caller.value.subject);
    const subject = this.#bindings.policy.audit_subject === "plain" ? caller.value.subject : subjectHash;
    exchange.found({ issuer, roles, client_id: clientId, subject });
    const consumer = authorize(caller.value, operation.value, this.#bindings.policy.consumers);
    if (!consumer.ok) return consumer;
    exchange.found({ client_id: consumer.value.consumer_key });
    return ok({ operation: operation.value, caller: caller.value, consumer: consumer.value, subjectHash });
  }

  #match(method: string, path: string, exchange: Exchange): Result<OperationPolicy, Refusal> {
    const match = this.#matcher(method, path);
    switch (match.kind) {
      case "operation": {
        const { name, path: route, product } = match.operation;
        exchange.found({ operation: name, route, product });
        return ok(match.operation);
      }
      case "method-not-allowed":
        return err(methodNotAllowed(match.allow));
      case "not-found":
        return err(operationNotFound());
    }
  }

  async #mint({ operation, caller, consumer, subjectHash }: Allowed, exchange: Exchange): Promise<string> {
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
    const token = await this.#minter.mint(transaction, nowSeconds());
    exchange.found({ txn, kid: this.#minter.kid });
    return token;
  }
}

/** The body, if there is one: a `Content-Length: 0` comes with a stream that has nothing in it. */
function bodyOf({ headers, body }: Request): ReadableStream | null {
  return headers.get("content-length") === "0" ? null : body;
}

function presentedIn(request: Request, sent: Credentials): Presented {
  const { method, url, headers } = request;
  return { ...sent, method, url, proof: headers.get("dpop"), certificate: certificateThumbprint(request.cf) };
}

function readTarget(request: Request): Result<Target, Refusal> {
  const tooLarge = sizeRefusal(request.headers);
  if (tooLarge !== null) return err(tooLarge);
  const target = splitTarget(request.url);
  if (target === undefined || !isUnambiguous(target.path)) {
    return err(invalidRequest("The path is not one that can be read in one way only."));
  }
  return ok(target);
}
