import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { type IssuerKey, newKey, sameMaterial, type SignatureShape, shaped, signature } from "./keys";

/** Names of the issuers in test/data/policy.json. */
export type IssuerName = "workforce" | "partners" | "machines" | "staff" | "directory" | "customers" | "exotic";

/** How a token is made, and then spoilt. Every member has a default that makes a good token. */
export interface Recipe {
  readonly issuer?: IssuerName;
  /** The key id of the issuer's key to sign with, if not its first. */
  readonly key?: string;
  /** Members to set; null takes one away; `{"$in": 30}` is 30 seconds from now. */
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Text put behind the opening brace: `"sub":"x",` makes a member appear twice. */
  readonly headerPrefix?: string;
  readonly claimsPrefix?: string;
  /** The whole text of a part instead. */
  readonly headerText?: string;
  readonly claimsText?: string;
  readonly headerEncoding?: Encoding;
  readonly claimsEncoding?: Encoding;
  readonly sign?: "none" | "hmac-public-key" | "stranger" | "other-issuer" | SignatureShape;
  readonly mangle?: readonly Mangle[];
  /** The token itself. */
  readonly text?: string;
}

/** How a part's text becomes bytes, if not as UTF-8. */
export type Encoding = "utf16le" | "utf16be" | "bom" | "latin1" | "overlong";

/** A change of the finished token; segments count from 0. */
export type Mangle =
  | { readonly append: string }
  | { readonly prepend: string }
  | { readonly padSegment: number }
  | { readonly unusedBits: number; readonly bits?: number }
  | { readonly dropSegment: number }
  | { readonly flip: number }
  | { readonly insert: string; readonly segment: number }
  | { readonly growTo: number };

const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const USUAL_CLAIMS: Readonly<Record<IssuerName, Readonly<Record<string, unknown>>>> = {
  workforce: {
    ver: 1,
    jti: "AT.k3sJ",
    iss: "https://acme.okta.example/oauth2/default",
    aud: "api://acme-store",
    sub: "ada@acme.example",
    cid: "0oa1storefront",
    uid: "00u1",
    scp: ["openid"],
    groups: ["everyone", "store-readers"],
  },
  partners: {
    iss: "https://accounts.google.example",
    aud: "4711-partners.apps.googleusercontent.example",
    azp: "4711-partners.apps.googleusercontent.example",
    sub: "110169484474386276334",
    hd: "partner.example",
    email: "boss@partner.example",
    email_verified: true,
  },
  machines: {
    iss: "https://idp.machines.example/",
    aud: ["https://other.example", "https://api.acme.example"],
    sub: "reporting",
    client_id: "reporting",
    jti: "b7d0",
    scope: "orders:read metrics:read",
  },
  staff: {
    ver: 1,
    jti: "AT.0rg",
    iss: "https://acme.okta.example",
    aud: "https://acme.okta.example",
    sub: "ada@acme.example",
    cid: "0oa1intranet",
    uid: "00u1",
    scp: ["openid"],
  },
  directory: {
    ver: "2.0",
    tid: "6f1d",
    iss: "https://login.microsoftonline.example/6f1d/v2.0",
    aud: "c0ffee00-api",
    azp: "c0ffee00-app",
    azpacr: "1",
    oid: "0b1d",
    sub: "AbCdEf",
    uti: "u",
    roles: ["Orders.Read"],
  },
  customers: {
    iss: "https://acme.auth0.example/",
    aud: ["https://api.acme.example", "https://acme.auth0.example/userinfo"],
    azp: "aUtH0shop",
    sub: "auth0|5f7c",
    scope: "openid profile",
    permissions: ["read:orders"],
  },
  exotic: {
    iss: "https://idp.exotic.example",
    aud: "https://api.acme.example",
    sub: "batch",
    client_id: "batch",
    jti: "e1",
    scope: "orders:read",
  },
};

/** The `typ` header of each issuer's tokens; those that are not listed have none. */
const USUAL_TYPES: Readonly<Partial<Record<IssuerName, string>>> = {
  machines: "at+jwt",
  staff: "application/okta-internal-at+jwt",
  directory: "JWT",
  customers: "JWT",
  exotic: "at+jwt",
};

// Made once for all makers of a file: an RSA key takes longer than most tests.
const RSA = newKey("rs256", "RS256");
const USUAL_KEYS: TokenMaker["keys"] = {
  workforce: [newKey("okta-1", "RS256")],
  partners: [newKey("google-1", "RS256"), newKey("google-2", "ES256")],
  // The same key id as another issuer's: they must not be mixed up.
  machines: [newKey("okta-1", "ES256"), newKey("ed-1", "Ed25519")],
  staff: [sameMaterial(RSA, "org-1", "RS256")],
  directory: [newKey("entra-1", "RS256")],
  customers: [newKey("auth0-1", "RS256")],
  exotic: [
    RSA,
    sameMaterial(RSA, "rs384", "RS384"),
    sameMaterial(RSA, "rs512", "RS512"),
    sameMaterial(RSA, "ps256", "PS256"),
    sameMaterial(RSA, "ps384", "PS384"),
    sameMaterial(RSA, "ps512", "PS512"),
    newKey("es256", "ES256"),
    newKey("es384", "ES384"),
    newKey("es512", "ES512"),
    newKey("eddsa", "EdDSA"),
    newKey("ed25519", "Ed25519"),
  ],
};
const STRANGER = newKey("stranger", "RS256");

/** Signs tokens as the issuers do, and keeps every token it made so that a test can look for leaks. */
export class TokenMaker {
  readonly made: string[] = [];
  readonly keys: Readonly<Record<IssuerName, readonly IssuerKey[]>>;

  constructor(keys: Readonly<Record<IssuerName, readonly IssuerKey[]>> = USUAL_KEYS) {
    this.keys = keys;
  }

  /** Makes a token, with times counted from `now` in seconds. */
  make(recipe: Recipe = {}, now: number = Math.floor(Date.now() / 1000)): string {
    const token = (recipe.mangle ?? []).reduce(mangled, recipe.text ?? this.#signed(recipe, now));
    this.made.push(token);
    return token;
  }

  #signed(recipe: Recipe, now: number): string {
    const issuer = recipe.issuer ?? "workforce";
    const key = this.#keyOf(issuer, recipe.key);
    const typ = USUAL_TYPES[issuer];
    const header = { alg: key.algorithm, kid: key.kid, ...(typ === undefined ? {} : { typ }), ...recipe.header };
    const times = { iat: { $in: -5 }, exp: { $in: 300 } };
    const claims = { ...USUAL_CLAIMS[issuer], ...times, ...recipe.claims };
    const headerText = recipe.headerText ?? written(header, recipe.headerPrefix, now);
    const claimsText = recipe.claimsText ?? written(claims, recipe.claimsPrefix, now);
    const parts = [encoded(headerText, recipe.headerEncoding), encoded(claimsText, recipe.claimsEncoding)];
    const input = parts.map((part) => part.toString("base64url")).join(".");
    return `${input}.${this.#signature(input, recipe, key).toString("base64url")}`;
  }

  #keyOf(issuer: IssuerName, kid: string | undefined): IssuerKey {
    const key = this.keys[issuer].find((known) => kid === undefined || known.kid === kid);
    if (key === undefined) throw new Error(`${issuer} has no key ${kid ?? ""}`);
    return key;
  }

  #signature(input: string, { sign }: Recipe, key: IssuerKey): Buffer {
    if (sign === undefined) return signature(input, key);
    if (sign === "none") return Buffer.alloc(0);
    if (sign === "stranger") return signature(input, STRANGER);
    if (sign === "other-issuer") return signature(input, this.#keyOf("machines", undefined));
    if (sign !== "hmac-public-key") return shaped(input, key, sign);
    return createHmac("sha256", key.publicKey.export({ format: "pem", type: "spki" })).update(input).digest();
  }
}

/** An object as JSON: members that are null left out, times counted from `now`. */
export function written(members: Readonly<Record<string, unknown>>, prefix: string | undefined, now: number): string {
  const kept = Object.entries(members).filter(([, value]) => value !== null);
  const text = JSON.stringify(Object.fromEntries(kept.map(([name, value]) => [name, timed(value, now)])));
  return prefix === undefined ? text : `{${prefix}${text.slice(1)}`;
}

function timed(value: unknown, now: number): unknown {
  if (typeof value !== "object" || value === null || !("$in" in value)) return value;
  return now + Number(value.$in);
}

function encoded(text: string, encoding: Encoding | undefined): Buffer {
  switch (encoding) {
    case undefined:
      return Buffer.from(text);
    case "bom":
      return Buffer.from(`\ufeff${text}`);
    case "utf16be":
      return Buffer.from(text, "utf16le").swap16();
    case "overlong":
      // "/" written with two bytes, which decoders of old took (RFC 3629 §10).
      return Buffer.from(text.replaceAll("/", "\u00c0\u00af"), "latin1");
    case "utf16le":
    case "latin1":
      return Buffer.from(text, encoding);
  }
}

function mangled(token: string, change: Mangle): string {
  const segments = token.split(".");
  const edit = (index: number, edited: (segment: string) => string): string =>
    segments.map((segment, at) => (at === index ? edited(segment) : segment)).join(".");
  if ("append" in change) return token + change.append;
  if ("prepend" in change) return change.prepend + token;
  if ("growTo" in change) return token.padEnd(change.growTo, "A");
  if ("dropSegment" in change) return segments.filter((_, at) => at !== change.dropSegment).join(".");
  if ("padSegment" in change) return edit(change.padSegment, padded);
  if ("unusedBits" in change) return edit(change.unusedBits, (segment) => withUnusedBits(segment, change.bits ?? 1));
  if ("insert" in change) return edit(change.segment, (segment) => segment.slice(0, 9) + change.insert + segment.slice(9));
  return edit(change.flip, (segment) => (segment.startsWith("A") ? "B" : "A") + segment.slice(1));
}

function padded(segment: string): string {
  if (segment.length % 4 === 0) throw new Error("this segment takes no padding: change the recipe's length");
  return segment.padEnd(4 * Math.ceil(segment.length / 4), "=");
}

/** Sets bits of the last character that decoders which are not strict ignore. */
function withUnusedBits(segment: string, bits: number): string {
  if (segment.length % 4 === 0) throw new Error("this segment has no unused bits: change the recipe's length");
  const last = BASE64URL.indexOf(segment.slice(-1));
  return segment.slice(0, -1) + (BASE64URL[last + bits] ?? "");
}
