import { logEvent } from "./audit/event_log";
import { type Bindings } from "./bindings";
import { Cors, isPreflight } from "./cors/cors";
import { bodyLimit, Decider } from "./decision/decider";
import { type Ending, endingOf, Exchange, type Setting } from "./exchange";
import { HealthEndpoints, OWN_PREFIX } from "./health/endpoints";
import { Hints } from "./hint/hints";
import { Identifier } from "./identify";
import { ALGORITHMS, takesDpop } from "./policy/table";
import { gatewayFault, invalidRequest, originNotAllowed, type Refusal } from "./problems/refusal";
import { problemResponse } from "./problems/response";
import { cleanAnswer, headersRefusal, type HeadersSeen, lookAt, onwardHeaders } from "./request/headers";
import { isUnambiguous, splitTarget, type Target } from "./routing/path";
import { err, ok, type Result } from "./support/result";
import { type KeepAlive } from "./support/single_flight";
import { Delivery } from "./upstream/delivery";
import { type Answer, type TokenRefusal } from "./upstream/forward";

/** Why a request was not handed on, or its answer not handed back. */
interface Stop {
  readonly refusal: Refusal;
  /** How Apigee refused the internal token, if that is why. */
  readonly tokenRefusal?: TokenRefusal | null;
}

/** Statuses whose answers have no body, and for which a Response takes none (Fetch Standard, null body status). */
const BODYLESS = new Set([101, 204, 205, 304]);

/** The way of a request through the edge, with everything that one isolate keeps between requests. */
export class Gateway {
  readonly #bindings: Bindings;
  readonly #identifier: Identifier;
  readonly #health: HealthEndpoints;
  readonly #cors: Cors | null;
  readonly #decider: Decider;
  readonly #delivery: Delivery;
  readonly #setting: Setting;
  /** Null where the contract wants none. */
  readonly #hints: Hints | null;

  constructor(bindings: Bindings) {
    const { policy, ring, environment, version } = bindings;
    this.#bindings = bindings;
    this.#identifier = new Identifier(bindings);
    this.#health = new HealthEndpoints({
      version,
      ring,
      contract: policy.contract,
      keys: () => this.#identifier.keysHealth(),
      prepare: (keepAlive) => this.#identifier.prepare(keepAlive),
    });
    this.#cors = policy.cors === null ? null : new Cors(policy.cors);
    this.#decider = new Decider(bindings, this.#identifier);
    this.#delivery = new Delivery(bindings);
    this.#hints = bindings.ai === null || policy.ai_hint === null ? null : new Hints(bindings.ai, policy.ai_hint);
    this.#setting = { env: environment, ring_seq: ring.seq, contract: policy.contract };
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
    const ending = outcome.ok ? allowed(outcome.value) : refused(outcome.error);
    const line = exchange.end(ending, this.#setting, this.#bindings.analytics);
    this.#hints?.consider(line, keepAlive);
    const response = outcome.ok ? outcome.value : this.#refuse(request, exchange, outcome.error);
    this.#cors?.mark(response, request);
    return response;
  }

  async #answer(request: Request, exchange: Exchange, keepAlive: KeepAlive): Promise<Result<Response, Stop>> {
    const seen = lookAt(request.headers);
    const target = readTarget(request, seen);
    if (!target.ok) return err({ refusal: target.error });
    const { path } = target.value;
    if (path.startsWith(OWN_PREFIX)) return this.#own(request, path, exchange, keepAlive);
    if (this.#cors !== null && isPreflight(request)) return this.#preflight(this.#cors, request, path, exchange);
    return this.#pass(request, seen, target.value, exchange, keepAlive);
  }

  #refuse(request: Request, exchange: Exchange, { refusal }: Stop): Response {
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
    exchange.found({ "http.route": path });
    answer.value.headers.set("x-request-id", exchange.trace.traceId);
    return answer;
  }

  /** Answers a browser that asks for leave, without a token, which no preflight has. */
  #preflight(cors: Cors, { headers }: Request, path: string, exchange: Exchange): Result<Response, Stop> {
    const methods = this.#decider.methodsOf(path, headers.get("access-control-request-method") ?? "", exchange);
    if (!methods.ok) return err({ refusal: methods.error });
    if (!cors.allows(headers.get("origin"))) return err({ refusal: originNotAllowed() });
    const response = cors.preflight(methods.value);
    response.headers.set("x-request-id", exchange.trace.traceId);
    return ok(response);
  }

  async #pass(
    request: Request,
    seen: HeadersSeen,
    target: Target,
    exchange: Exchange,
    keepAlive: KeepAlive,
  ): Promise<Result<Response, Stop>> {
    const allowed = await this.#decider.decide(request, target, exchange, keepAlive);
    if (!allowed.ok) return err({ refusal: allowed.error });
    const headers = onwardHeaders(request, seen, exchange.trace);
    const url = this.#bindings.apigeeOrigin + target.path + target.query;
    const maxBodyBytes = bodyLimit(allowed.value.operation);
    const onward = { url, method: request.method, headers, body: bodyOf(request), maxBodyBytes };
    const answer = await this.#delivery.deliver(allowed.value, onward, exchange);
    return answer.ok ? ok(responseOf(answer.value, exchange)) : answer;
  }
}

function allowed({ status }: Response): Ending {
  return { decision: "allow", reason: "ok", status };
}

function refused({ refusal, tokenRefusal }: Stop): Ending {
  return endingOf(refusal, tokenRefusal ?? refusal.slug);
}

function responseOf({ head, body }: Answer, { trace }: Exchange): Response {
  const response = new Response(BODYLESS.has(head.status) ? null : body, head);
  cleanAnswer(response.headers, head.headers, trace.traceId);
  return response;
}

/** The body, if there is one: a `Content-Length: 0` comes with a stream that has nothing in it. */
function bodyOf({ headers, body }: Request): ReadableStream | null {
  return headers.get("content-length") === "0" ? null : body;
}

function readTarget(request: Request, seen: HeadersSeen): Result<Target, Refusal> {
  const tooLarge = headersRefusal(seen);
  if (tooLarge !== null) return err(tooLarge);
  const target = splitTarget(request.url);
  if (target === undefined || !isUnambiguous(target.path)) {
    return err(invalidRequest("The path is not one that can be read in one way only."));
  }
  return ok(target);
}
