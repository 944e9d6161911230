import { type ProfileName } from "../policy/table";
import { type JsonObject, member } from "../support/json";

/** What distinguishes the tokens of one kind of issuer. */
export interface Profile {
  /** The accepted `typ` header, in lower case and without `application/`; null: it may be absent. */
  readonly types: ReadonlySet<string | null>;
  /** Claims that must be there, beside those that every token must have (iss, sub, aud, exp, iat). */
  readonly required: readonly string[];
  /** What `iss` may be, for an issuer configured by that identifier. */
  readonly issuers: (configured: string) => readonly string[];
  /** The client that the token was issued to; `undefined` where it cannot be told. */
  readonly clientId: (claims: JsonObject) => unknown;
  /** Whether a claim may give roles in this token. */
  readonly givesRoles: (claim: string, claims: JsonObject) => boolean;
}

const JWT_OR_NONE = [null, "jwt"] as const;
const ACCESS_TOKEN_TYPE = "at+jwt";

/** The profiles, by the name that a contract uses. */
export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  /**
   * Access tokens of an Okta custom authorization server: no `typ`, client in `cid`. An ID token of the same server has
   * no `cid` and the client as its audience, and fails on both.
   */
  okta: {
    types: new Set([...JWT_OR_NONE, ACCESS_TOKEN_TYPE]),
    required: ["cid"],
    issuers: (configured) => [configured],
    clientId: (claims) => member(claims, "cid"),
    givesRoles: () => true,
  },
  /**
   * Google ID tokens (its access tokens are opaque). `iss` comes with or without the scheme; `azp` names the client,
   * else the single audience does. An email that Google has not verified may be anybody's.
   */
  google: {
    types: new Set(JWT_OR_NONE),
    required: [],
    issuers: (configured) => [configured, configured.replace(/^https:\/\//, "")],
    clientId: (claims) => member(claims, "azp") ?? onlyAudience(member(claims, "aud")),
    givesRoles: (claim, claims) => claim !== "email" || member(claims, "email_verified") === true,
  },
  /** JWT access tokens of RFC 9068: `typ` (§2.1, §4) and the claims of §2.2 are required. */
  rfc9068: {
    types: new Set([ACCESS_TOKEN_TYPE]),
    required: ["client_id", "jti"],
    issuers: (configured) => [configured],
    clientId: (claims) => member(claims, "client_id"),
    givesRoles: () => true,
  },
};

function onlyAudience(audience: unknown): unknown {
  if (!Array.isArray(audience)) return audience;
  return audience.length === 1 ? audience[0] : undefined;
}
