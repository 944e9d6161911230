/** The shape of `policy.json`, the contract's compiled form. All durations are seconds. */
export interface PolicyTable {
  /** The contract's version: 12 hexadecimal digits. */
  readonly contract: string;
  /** The URL that problem types begin with, without a slash at its end. */
  readonly problems: string;
  /** Which web pages may call the API, or null for none. */
  readonly cors: CorsPolicy | null;
  readonly issuers: readonly IssuerPolicy[];
  /** Most specific path first: of two that match a path, the earlier is meant. */
  readonly operations: readonly OperationPolicy[];
  /** By the client id at the issuer. */
  readonly consumers: ReadonlyMap<string, ConsumerPolicy>;
  /** By name. */
  readonly products: ReadonlyMap<string, ProductPolicy>;
  readonly internal: InternalPolicy;
  readonly token_cache: TokenCachePolicy;
  /** Which model is asked what it thinks of requests, or null for none. */
  readonly ai_hint: HintPolicy | null;
  /** The clock difference allowed in a client's token. */
  readonly leeway_seconds: number;
  /** How long the edge waits for the head of Apigee's answer. */
  readonly upstream_timeout_seconds: number;
  /** How audit lines name the subject. */
  readonly audit_subject: "hash" | "plain";
}

/** The CORS protocol (Fetch standard). Credentials are never allowed: the API knows no cookies. */
export interface CorsPolicy {
  /** Compared with `Origin` as they are. */
  readonly origins: readonly string[];
  /** Request headers a page may set, in lower case. */
  readonly request_headers: readonly string[];
  /** Answer headers a page may read. */
  readonly exposed_headers: readonly string[];
  /** How long a browser may keep a preflight's answer. */
  readonly max_age_seconds: number;
}

/** What an issuer's tokens look like. */
export const PROFILE_NAMES = ["okta", "okta-org", "google", "entra", "auth0", "rfc9068"] as const;

/** One of {@link PROFILE_NAMES}. */
export type ProfileName = (typeof PROFILE_NAMES)[number];

/**
 * The signature algorithms a contract may allow (RFC 7518 §3.1, RFC 8037, RFC 9864): no symmetric one, and not `none`.
 * `EdDSA` and `Ed25519` are two names of one algorithm, and an issuer may use only those that it is allowed.
 */
export const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

/** One of {@link ALGORITHMS}. */
export type Algorithm = (typeof ALGORITHMS)[number];

/** An identity provider whose tokens are accepted. */
export interface IssuerPolicy {
  readonly name: string;
  readonly profile: ProfileName;
  /** The issuer identifier, compared as it is. */
  readonly issuer: string;
  readonly audience: string;
  /** Empty where no token of the issuer can be verified here, and each is introspected. */
  readonly algorithms: readonly Algorithm[];
  /** Where tokens that cannot be verified here are asked about, or null. */
  readonly introspection: IntrospectionPolicy | null;
  readonly roles: readonly RoleMapping[];
  /** Which proofs of possession are checked, or null: then every bound token is refused. */
  readonly sender_constraint: SenderConstraintPolicy | null;
}

/** How a token may be bound to its sender: DPoP (RFC 9449), or the client's certificate (RFC 8705). */
export const CONSTRAINTS = ["dpop", "mtls"] as const;

/** What an issuer's tokens are bound to. */
export interface SenderConstraintPolicy {
  /** The bindings that can be proven here; a token bound in another way is refused. */
  readonly methods: readonly (typeof CONSTRAINTS)[number][];
  /** Whether a token that is bound to nothing is refused. */
  readonly required: boolean;
  /** Whether a DPoP proof must hold a nonce of this gateway (RFC 9449 §9). */
  readonly dpop_nonce: boolean;
}

/** How an issuer is asked about its tokens. */
export interface IntrospectionPolicy {
  readonly endpoint: string;
  /** `rfc7662`: token introspection; `tokeninfo`: Google's own way, which knows no client authentication. */
  readonly protocol: "rfc7662" | "tokeninfo";
  /** The edge's client id there; null for `tokeninfo`. */
  readonly client_id: string | null;
  /** What opaque tokens of the issuer begin with, where more than one issuer has opaque tokens; else null. */
  readonly token_prefix: string | null;
}

/** Whether tokens of some issuer may be bound to DPoP keys. */
export function takesDpop({ issuers }: PolicyTable): boolean {
  return issuers.some(({ sender_constraint: constraint }) => constraint?.methods.includes("dpop") === true);
}

/** A token whose `claim` is `value`, or a list that holds it, carries `role`. */
export interface RoleMapping {
  readonly claim: string;
  readonly value: string;
  readonly role: string;
}

/** One method on one path template, open to callers with any one of the roles. */
export interface OperationPolicy {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly product: string;
  readonly roles: readonly string[];
  /** How long Apigee waits for the backend. */
  readonly timeout_seconds: number;
  /** The largest body the operation takes, or null for what every operation takes. */
  readonly max_body_bytes: number | null;
}

/** An application that calls the API. */
export interface ConsumerPolicy {
  readonly name: string;
  /** The name of the issuer of its tokens. */
  readonly issuer: string;
  /** What Apigee knows it by: the `client_id` of the internal token. */
  readonly consumer_key: string;
  readonly products: readonly string[];
}

/** What consumers subscribe to. */
export interface ProductPolicy {
  readonly quota: { readonly requests: number; readonly seconds: number };
  /** What the edge lets through: never more than the quota. */
  readonly limit: LimitPolicy;
}

/** A limit of the edge, for each consumer at each of Cloudflare's locations. */
export interface LimitPolicy {
  /** Its name in `RateLimit-Policy`. */
  readonly policy: string;
  readonly requests: number;
  /** The window: one of the two periods that the binding knows. */
  readonly seconds: number;
}

/** How long what was found out about a client's token is remembered. */
export interface TokenCachePolicy {
  /** In an isolate; 0 verifies every token of every request. */
  readonly seconds: number;
  /** Whether isolates also tell each other through KV about JWTs they have verified. */
  readonly kv: boolean;
}

/** A model of Workers AI that is asked behind requests' backs. */
export interface HintPolicy {
  readonly model: string;
  /** How often an isolate asks in a minute, at most. */
  readonly per_minute: number;
}

/** How internal tokens are made. */
export interface InternalPolicy {
  readonly issuer: string;
  readonly audience: string;
  readonly life_seconds: number;
  /** How long a caller who sends one token again and again gets the internal token that was made first; 0: not at all. */
  readonly reuse_seconds: number;
}
