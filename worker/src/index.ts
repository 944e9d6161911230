import policy from "./policy.json";
import { logEvent } from "./audit/event_log";
import { type BindingFault, type Bindings, checkBindings, type UncheckedBindings } from "./bindings";
import { endingOf, Exchange } from "./exchange";
import { Gateway } from "./gateway";
import { gatewayFault } from "./problems/refusal";
import { problemResponse } from "./problems/response";
import { DecodeError } from "./support/decode";
import { err, ok, type Result } from "./support/result";

/** The gateway of this isolate: a version's bindings never change, so it is made once, by the first event. */
let gateway: Result<Gateway, BindingFault> | null = null;

function start(env: UncheckedBindings): Result<Gateway, BindingFault> {
  const bindings = checkBindings(env, policy);
  const started = bindings.ok ? build(bindings.value) : bindings;
  if (!started.ok) logEvent({ event: "start-failed", ...started.error });
  return started;
}

function build(bindings: Bindings): Result<Gateway, BindingFault> {
  try {
    return ok(new Gateway(bindings));
  } catch (problem) {
    return err({ binding: "policy.json", cause: problem instanceof DecodeError ? problem.message : "unexpected" });
  }
}

/** Refuses a request of a Worker whose bindings are wrong: 503, since only another version can help. */
function refuseUnfit(request: Request): Response {
  const exchange = new Exchange(request);
  const refusal = gatewayFault(503);
  exchange.end(endingOf(refusal), { env: null, ring_seq: null, contract: null }, null);
  const { traceId } = exchange.trace;
  return problemResponse(refusal, { types: null, realm: "gateway", dpop: null, traceId, head: request.method === "HEAD" });
}

export default {
  async fetch(request, env, context) {
    gateway ??= start(env);
    if (!gateway.ok) return refuseUnfit(request);
    const answer = gateway.value.handle(request, (work) => {
      context.waitUntil(work);
    });
    // A client that hangs up does not keep its request from being audited.
    context.waitUntil(answer);
    return answer;
  },

  async scheduled(_controller, env, context) {
    gateway ??= start(env);
    if (!gateway.ok) return;
    await gateway.value.warm((work) => {
      context.waitUntil(work);
    });
  },
} satisfies ExportedHandler<UncheckedBindings>;
