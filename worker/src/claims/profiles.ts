import { type IssuerPolicy, type ProfileName } from "../policy/table";
import { type JsonObject, member } from "../support/json";
import { type Check } from "./checks";

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
  /** What else the claims must be; null where they are. */
  readonly check: (claims: JsonObject, issuer: IssuerPolicy) => Check;
  /** Whether a claim may give roles in this token. */
  readonly givesRoles: (claim: string, claims: JsonObject) => boolean;
}

const JWT_OR_NONE = [null, "jwt"] as const;
const ACCESS_TOKEN_TYPE = "at+jwt";

/** Claims of OpenID Connect Core 1.0 §2 and §3.3.2.11 that stand in ID tokens only. */
const ID_TOKEN_CLAIMS = ["nonce", "at_hash", "c_hash"];

const COMMON = {
  required: [],
  issuers: (configured: string) => [configured],
  check: () => null,
  givesRoles: () => true,
} as const;

/** The profiles, by the name that a contract uses. */
export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  /**
   * Access tokens of an Okta custom authorization server: no `typ`, client in `cid`. An ID token of the same server has
   * no `cid` and the client as its audience, and fails on both.
   */
  okta: {
    ...COMMON,
    types: new Set([...JWT_OR_NONE, ACCESS_TOKEN_TYPE]),
    required: ["cid"],
    clientId: (claims) => member(claims, "cid"),
    check: notAnIdToken,
  },
  /**
   * Access tokens of the Okta org authorization server: JWTs whose keys are not published and whose form may change
   * without notice, so that only the server itself can say what they are worth.
   */
  "okta-org": { ...COMMON, types: new Set(), clientId: (claims) => member(claims, "client_id") },
  /**
   * Google ID tokens (its access tokens are opaque). `iss` comes with or without the scheme; `azp` names the client,
   * else the single audience does. An email that Google has not verified may be anybody's.
   */
  google: {
    ...COMMON,
    types: new Set(JWT_OR_NONE),
    issuers: (configured) => [configured, configured.replace(/^https:\/\//, "")],
    clientId: (claims) => member(claims, "azp") ?? onlyAudience(member(claims, "aud")),
    givesRoles: (claim, claims) => claim !== "email" || member(claims, "email_verified") === true,
  },
  /**
   * Access tokens of one tenant of Microsoft Entra ID, v1.0 and v2.0: `typ: JWT` as its ID tokens have, so these are
   * told apart by the claim that names the client, `appid` and `azp`, which they lack. `tid` is the issuer's tenant.
   */
  entra: {
    ...COMMON,
    types: new Set(["jwt", ACCESS_TOKEN_TYPE]),
    required: ["tid", "ver"],
    clientId: (claims) => member(claims, member(claims, "ver") === "1.0" ? "appid" : "azp"),
    check: (claims, issuer) => (member(claims, "tid") === tenantOf(issuer.issuer) ? notAnIdToken(claims) : "untrusted"),
  },
  /** Access tokens of Auth0, in its own form (`typ: JWT`, client in `azp`) and in that of RFC 9068 (`client_id`). */
  auth0: {
    ...COMMON,
    types: new Set(["jwt", ACCESS_TOKEN_TYPE]),
    clientId: (claims) => member(claims, "client_id") ?? member(claims, "azp"),
    check: notAnIdToken,
  },
  /** JWT access tokens of RFC 9068: `typ` (§2.1, §4) and the claims of §2.2 are required. */
  rfc9068: {
    ...COMMON,
    types: new Set([ACCESS_TOKEN_TYPE]),
    required: ["client_id", "jti"],
    clientId: (claims) => member(claims, "client_id"),
  },
};

/** An ID token tells a client who its user is, and gives no access to anything (RFC 9068 §5). */
function notAnIdToken(claims: JsonObject): Check {
  return ID_TOKEN_CLAIMS.some((name) => Object.hasOwn(claims, name)) ? "wrong-kind" : null;
}

/** The tenant in an issuer of Entra: `https://login.microsoftonline.com/<tenant>/v2.0`, `https://sts.windows.net/<tenant>/`. */
function tenantOf(issuer: string): string | undefined {
  return new URL(issuer).pathname.split("/")[1];
}

function onlyAudience(audience: unknown): unknown {
  if (!Array.isArray(audience)) return audience;
  return audience.length === 1 ? audience[0] : undefined;
}
