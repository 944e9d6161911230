import { type Dataset } from "./audit/data_point";
import { type Ai } from "./hint/hints";
import { bindingOf, type RateLimit } from "./limits/limiter";
import { decodeRing, type Ring } from "./mint/ring";
import { decodePolicy } from "./policy/decode";
import { type PolicyTable, takesDpop } from "./policy/table";
import { type ReplayNamespace } from "./possession/replay";
import { DecodeError, type Decoder, dictionary, httpsOrigin, list, text } from "./support/decode";
import { isJsonObject, member } from "./support/json";
import { err, ok, type Result } from "./support/result";

/** The bindings as the runtime hands them over: nothing is known of them yet. */
export type UncheckedBindings = Readonly<Record<string, unknown>>;

/** What the Worker is bound to, checked. */
export interface Bindings {
  /** Workers AI; null where the contract wants no hints. */
  readonly ai: Ai | null;
  /** Where data points go; null where the version has no dataset. */
  readonly analytics: Dataset | null;
  /** Where Apigee answers: an https origin. */
  readonly apigeeOrigin: string;
  /** The key of the pseudonyms in audit lines. */
  readonly auditSalt: string;
  /** The name of the stack. */
  readonly environment: string;
  /** The client secret at each issuer that introspects, by the issuer's name. */
  readonly introspectionSecrets: ReadonlyMap<string, readonly string[]>;
  readonly kv: KVNamespace;
  /** What counts the requests of each product, by its name. */
  readonly limits: ReadonlyMap<string, RateLimit>;
  readonly policy: PolicyTable;
  /** Where used DPoP proofs are remembered; null where no issuer's tokens are bound to DPoP keys. */
  readonly replay: ReplayNamespace | null;
  readonly ring: Ring;
  /** The id of this version of the Worker. */
  readonly version: string;
}

/** A binding that is missing or wrong. `cause` never holds its value. */
export interface BindingFault {
  readonly binding: string;
  readonly cause: string;
}

const clientSecret = text(1_000);
const twoSecrets = list(clientSecret, 1, 2);

/** The client secret at one issuer, or two while one takes the other's place. */
function clientSecrets(value: unknown, at: string): readonly string[] {
  return Array.isArray(value) ? twoSecrets(value, at) : [clientSecret(value, at)];
}

class BindingError extends Error {
  readonly fault: BindingFault;

  constructor(fault: BindingFault) {
    super(`${fault.binding}: ${fault.cause}`);
    this.fault = fault;
  }
}

/** Checks every binding, and the policy table, before the first request is decided. */
export function checkBindings(env: UncheckedBindings, policyDocument: unknown): Result<Bindings, BindingFault> {
  try {
    const policy = decode("policy.json", policyDocument, decodePolicy);
    const introspectionSecrets = json(env, "INTROSPECTION_SECRETS", dictionary(clientSecrets, 1_000));
    for (const { name, introspection } of policy.issuers) {
      if (introspection?.protocol === "rfc7662" && !introspectionSecrets.has(name)) {
        throw new BindingError({ binding: "INTROSPECTION_SECRETS", cause: `there is no secret for the issuer ${name}` });
      }
    }
    return ok({
      ai: policy.ai_hint === null ? null : models(env, "AI"),
      analytics: dataset(env, "ANALYTICS"),
      apigeeOrigin: decode("APIGEE_ORIGIN", env["APIGEE_ORIGIN"], httpsOrigin),
      auditSalt: decode("AUDIT_SALT", env["AUDIT_SALT"], text(1_000)),
      environment: decode("ENVIRONMENT", env["ENVIRONMENT"], text(100, /^[A-Za-z0-9._-]+$/)),
      introspectionSecrets,
      kv: namespace(env, "KV"),
      limits: new Map([...policy.products.keys()].map((product) => [product, limiter(env, bindingOf(product))])),
      policy,
      replay: takesDpop(policy) ? objects(env, "REPLAY") : null,
      ring: json(env, "RING", decodeRing),
      version: decode("VERSION", env["VERSION"], versionId),
    });
  } catch (problem) {
    if (problem instanceof BindingError) return err(problem.fault);
    throw problem;
  }
}

function decode<Value>(binding: string, value: unknown, decoder: Decoder<Value>): Value {
  if (value === undefined) throw new BindingError({ binding, cause: "it is missing" });
  try {
    return decoder(value, "$");
  } catch (problem) {
    if (problem instanceof DecodeError) throw new BindingError({ binding, cause: problem.message });
    throw problem;
  }
}

function json<Value>(env: UncheckedBindings, binding: string, decoder: Decoder<Value>): Value {
  const written = decode(binding, env[binding], text(20_000, /^[^\0]+$/));
  try {
    return decode(binding, JSON.parse(written), decoder);
  } catch (problem) {
    // The parser's own message would quote the secret.
    if (problem instanceof SyntaxError) throw new BindingError({ binding, cause: "it is no JSON" });
    throw problem;
  }
}

/** The id in the version metadata binding; what else is in it says nothing here. */
function versionId(value: unknown, at: string): string {
  return text(100, /^[A-Za-z0-9-]+$/)(isJsonObject(value) ? member(value, "id") : value, `${at}.id`);
}

function dataset(env: UncheckedBindings, binding: string): Dataset | null {
  const value = env[binding];
  if (value === undefined) return null;
  const isDataset = typeof value === "object" && value !== null && "writeDataPoint" in value;
  if (!isDataset) throw new BindingError({ binding, cause: "it is no dataset" });
  return value as Dataset;
}

function models(env: UncheckedBindings, binding: string): Ai {
  const value = env[binding];
  const isAi = typeof value === "object" && value !== null && "run" in value && typeof value.run === "function";
  if (!isAi) throw new BindingError({ binding, cause: "it is no Workers AI" });
  return value as Ai;
}

function limiter(env: UncheckedBindings, binding: string): RateLimit {
  const value = env[binding];
  const isLimiter = typeof value === "object" && value !== null && "limit" in value && typeof value.limit === "function";
  if (!isLimiter) throw new BindingError({ binding, cause: "it is no rate limit" });
  return value as RateLimit;
}

function namespace(env: UncheckedBindings, binding: string): KVNamespace {
  const value = env[binding];
  const isNamespace = isJsonObject(value) && typeof value["get"] === "function" && typeof value["put"] === "function";
  if (!isNamespace) throw new BindingError({ binding, cause: "it is no KV namespace" });
  return value as unknown as KVNamespace;
}

function objects(env: UncheckedBindings, binding: string): ReplayNamespace {
  const value = env[binding];
  const isNamespace = isJsonObject(value) && typeof value["get"] === "function" && typeof value["idFromName"] === "function";
  if (!isNamespace) throw new BindingError({ binding, cause: "it is no Durable Object namespace" });
  return value as unknown as ReplayNamespace;
}
