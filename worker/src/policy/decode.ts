import { MAX_BODY_BYTES, MAX_INTERNAL_LIFE_SECONDS, MAX_OPERATIONS, MAX_TOKEN_CACHE_SECONDS } from "../constants";
import {
  DecodeError,
  type Decoder,
  dictionary,
  flag,
  httpsUrl,
  integer,
  list,
  nullable,
  oneOf,
  record,
  text,
} from "../support/decode";
import {
  ALGORITHMS,
  CONSTRAINTS,
  type ConsumerPolicy,
  type CorsPolicy,
  type HintPolicy,
  type InternalPolicy,
  type IntrospectionPolicy,
  type IssuerPolicy,
  type LimitPolicy,
  type OperationPolicy,
  type PolicyTable,
  type ProductPolicy,
  PROFILE_NAMES,
  type RoleMapping,
  type SenderConstraintPolicy,
  type TokenCachePolicy,
} from "./table";

const MAX_ENTRIES = 1_000;
const name = text(64, /^[a-z][a-z0-9-]*$/);
const SEGMENT = String.raw`(?:[A-Za-z0-9._~-]+|\{[a-z][a-z0-9_]*\})`;
const path = text(200, new RegExp(String.raw`^\/(?:${SEGMENT}(?:\/${SEGMENT})*)?$`));

const introspection: Decoder<IntrospectionPolicy> = record<IntrospectionPolicy>({
  endpoint: httpsUrl,
  protocol: oneOf(["rfc7662", "tokeninfo"]),
  client_id: nullable(text(255)),
  // No JOSE object begins so: `eyJ` is how each of them does.
  token_prefix: nullable(text(64, /^(?!e(?:y|$))[A-Za-z0-9._~+/-]+$/)),
});

const senderConstraint: Decoder<SenderConstraintPolicy> = record<SenderConstraintPolicy>({
  methods: list(oneOf(CONSTRAINTS), 1, CONSTRAINTS.length),
  required: flag,
  dpop_nonce: flag,
});

const issuer: Decoder<IssuerPolicy> = record<IssuerPolicy>({
  name,
  profile: oneOf(PROFILE_NAMES),
  issuer: httpsUrl,
  audience: text(255),
  algorithms: list(oneOf(ALGORITHMS), 0, ALGORITHMS.length),
  introspection: nullable(introspection),
  roles: list(record<RoleMapping>({ claim: text(128), value: text(255), role: name }), 1, MAX_ENTRIES),
  sender_constraint: nullable(senderConstraint),
});

const operation: Decoder<OperationPolicy> = record<OperationPolicy>({
  name,
  method: text(16, /^[A-Z]+$/),
  path,
  product: name,
  roles: list(name, 1, MAX_ENTRIES),
  timeout_seconds: integer(1, 600),
  max_body_bytes: nullable(integer(1, MAX_BODY_BYTES)),
});

const header = text(64, /^[A-Za-z][A-Za-z0-9-]*$/);
const cors: Decoder<CorsPolicy> = record<CorsPolicy>({
  origins: list(text(300, /^https?:\/\/[a-z0-9.-]+(?::\d+)?$/), 1, MAX_ENTRIES),
  request_headers: list(header, 1, MAX_ENTRIES),
  exposed_headers: list(header, 1, MAX_ENTRIES),
  max_age_seconds: integer(0, 86_400),
});

const table: Decoder<PolicyTable> = record<PolicyTable>({
  contract: text(12, /^[0-9a-f]{12}$/),
  problems: httpsUrl,
  cors: nullable(cors),
  issuers: list(issuer, 1, MAX_ENTRIES),
  operations: list(operation, 1, MAX_OPERATIONS),
  consumers: dictionary(
    record<ConsumerPolicy>({
      name,
      issuer: name,
      consumer_key: text(255, /^[A-Za-z0-9_-]+$/),
      products: list(name, 1, MAX_ENTRIES),
    }),
    MAX_ENTRIES,
  ),
  products: dictionary(
    record<ProductPolicy>({
      quota: record({ requests: integer(1, 1e9), seconds: integer(60, 2_678_400) }),
      limit: record<LimitPolicy>({
        policy: text(70, /^[a-z][a-z0-9-]*$/),
        requests: integer(1, 1e9),
        seconds: integer(60, 60),
      }),
    }),
    MAX_ENTRIES,
  ),
  internal: record<InternalPolicy>({
    issuer: httpsUrl,
    audience: httpsUrl,
    life_seconds: integer(1, MAX_INTERNAL_LIFE_SECONDS),
    reuse_seconds: integer(0, MAX_INTERNAL_LIFE_SECONDS),
  }),
  token_cache: record<TokenCachePolicy>({ seconds: integer(0, MAX_TOKEN_CACHE_SECONDS), kv: flag }),
  ai_hint: nullable(record<HintPolicy>({ model: text(100, /^@(?:cf|hf)\/[a-z0-9-]+\/[A-Za-z0-9._-]+$/), per_minute: integer(1, 600) })),
  leeway_seconds: integer(0, 300),
  upstream_timeout_seconds: integer(1, 600),
  audit_subject: oneOf(["hash", "plain"]),
});

/**
 * Reads the policy table, strictly: the reader is the last to see a blank or doubled row before it decides about
 * requests. Throws {@link DecodeError}, which names the place.
 */
export function decodePolicy(document: unknown): PolicyTable {
  const policy = table(document, "$");
  const issuers = distinct(policy.issuers, (entry) => entry.name, "$.issuers: names");
  distinct(policy.issuers, (entry) => entry.issuer, "$.issuers: identifiers");
  checkIntrospection(policy.issuers);
  for (const entry of policy.operations) {
    if (!policy.products.has(entry.product)) throw new DecodeError("$.operations: a product is not listed");
  }
  const { internal, upstream_timeout_seconds } = policy;
  if (internal.reuse_seconds > 0 && internal.reuse_seconds + upstream_timeout_seconds > internal.life_seconds) {
    throw new DecodeError("$.internal.reuse_seconds: a token could arrive expired");
  }
  for (const { quota, limit } of policy.products.values()) {
    if (limit.requests > quota.requests) throw new DecodeError("$.products: a limit is looser than its quota");
  }
  for (const consumer of policy.consumers.values()) {
    if (!issuers.has(consumer.issuer)) throw new DecodeError("$.consumers: an issuer is not listed");
    if (consumer.products.some((product) => !policy.products.has(product))) {
      throw new DecodeError("$.consumers: a product is not listed");
    }
  }
  return policy;
}

/** Every issuer can be asked in some way, and it is plain which one an opaque token belongs to. */
function checkIntrospection(issuers: readonly IssuerPolicy[]): void {
  const asked = issuers.flatMap((entry) => (entry.introspection === null ? [] : [entry.introspection]));
  if (issuers.some((entry) => entry.algorithms.length === 0 && entry.introspection === null)) {
    throw new DecodeError("$.issuers: one has neither algorithms nor introspection");
  }
  if (asked.some(({ protocol, client_id: clientId }) => (protocol === "rfc7662") !== (clientId !== null))) {
    throw new DecodeError("$.issuers: an introspection's client does not suit its protocol");
  }
  const opaque = issuers.filter((entry) => entry.introspection !== null && !namesItsIssuer(entry));
  distinct(opaque, (entry) => entry.introspection?.token_prefix ?? "", "$.issuers: prefixes of opaque tokens");
}

/** Whether every token of the issuer says whose it is, so that none is opaque. */
export function namesItsIssuer({ profile }: IssuerPolicy): boolean {
  return profile === "okta-org";
}

function distinct<Entry>(entries: readonly Entry[], key: (entry: Entry) => string, what: string): ReadonlySet<string> {
  const keys = new Set(entries.map(key));
  if (keys.size < entries.length) throw new DecodeError(`${what} are not distinct`);
  return keys;
}
