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
export type ProfileName = "okta" | "google" | "rfc9068";

/** The signature algorithms a contract may allow (RFC 7518 §3.1): no symmetric one, and not `none`. */
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
  readonly algorithms: readonly Algorithm[];
  /** Where opaque tokens are introspected (RFC 7662), or null. */
  readonly introspection: { readonly endpoint: string; readonly client_id: string } | null;
  readonly roles: readonly RoleMapping[];
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
}

/** How internal tokens are made. */
export interface InternalPolicy {
  readonly issuer: string;
  readonly audience: string;
  readonly life_seconds: number;
}
