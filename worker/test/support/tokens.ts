import { Buffer } from "node:buffer";
import {
  constants,
  createHmac,
  generateKeyPairSync,
  type KeyObject,
  type JsonWebKey,
  sign as signBytes,
} from "node:crypto";

/** Names of the issuers in test/data/policy.json. */
export type IssuerName = "workforce" | "partners" | "machines";

/** One key pair of an issuer. */
export interface IssuerKey {
  readonly kid: string;
  readonly algorithm: "RS256" | "ES256";
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** How a token is made, and then spoilt. Every member has a default that makes a good token. */
export interface Recipe {
  readonly issuer?: IssuerName;
  /** `ec` takes the issuer's ES256 key, where it has one. */
  readonly key?: "rsa" | "ec";
  /** Members to set; null takes one away; `{"$in": 30}` is 30 seconds from now. */
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Text put behind the opening brace: `"sub":"x",` makes a member appear twice. */
  readonly headerPrefix?: string;
  readonly claimsPrefix?: string;
  /** The whole text of a part instead. */
  readonly headerText?: string;
  readonly claimsText?: string;
  readonly claimsEncoding?: "utf16le" | "bom" | "latin1";
  readonly sign?: "none" | "hmac-public-key" | "stranger" | "other-issuer" | "der" | "zeros" | "order" | "short" | "long";
  readonly mangle?: readonly Mangle[];
  /** The token itself. */
  readonly text?: string;
}

/** A change of the finished token; segments count from 0. */
export type Mangle =
  | { readonly append: string }
  | { readonly prepend: string }
  | { readonly padSegment: number }
  | { readonly unusedBits: number }
  | { readonly dropSegment: number }
  | { readonly flip: number }
  | { readonly insert: string; readonly segment: number }
  | { readonly growTo: number };

const P256_ORDER = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Makes a key pair of its own. */
export function newKey(kid: string, algorithm: IssuerKey["algorithm"]): IssuerKey {
  const pair =
    algorithm === "RS256"
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { kid, algorithm, ...pair };
}

/** The public JWK of a key, as an issuer publishes it. */
export function publishedJwk(key: IssuerKey): JsonWebKey {
  return { ...key.publicKey.export({ format: "jwk" }), kid: key.kid, alg: key.algorithm, use: "sig" };
}

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
};

// Made once for all makers of a file: an RSA key takes longer than most tests.
const USUAL_KEYS: TokenMaker["keys"] = {
  workforce: [newKey("okta-1", "RS256")],
  partners: [newKey("google-1", "RS256"), newKey("google-2", "ES256")],
  // The same key id as another issuer's: they must not be mixed up.
  machines: [newKey("okta-1", "ES256")],
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
    const type = issuer === "machines" ? { typ: "at+jwt" } : {};
    const header = { alg: key.algorithm, kid: key.kid, ...type, ...recipe.header };
    const times = { iat: { $in: -5 }, exp: { $in: 300 } };
    const claims = { ...USUAL_CLAIMS[issuer], ...times, ...recipe.claims };
    const headerText = recipe.headerText ?? written(header, recipe.headerPrefix, now);
    const claimsText = recipe.claimsText ?? written(claims, recipe.claimsPrefix, now);
    const input = `${base64url(headerText)}.${encoded(claimsText, recipe.claimsEncoding).toString("base64url")}`;
    return `${input}.${this.#signature(input, recipe, key).toString("base64url")}`;
  }

  #keyOf(issuer: IssuerName, kind: Recipe["key"]): IssuerKey {
    const [first, second] = this.keys[issuer];
    const key = kind === "ec" ? (second ?? first) : first;
    if (key === undefined) throw new Error(`${issuer} has no key`);
    return key;
  }

  #signature(input: string, { sign }: Recipe, key: IssuerKey): Buffer {
    const order = Buffer.from(P256_ORDER, "hex");
    const good = signature(input, key);
    if (sign === undefined) return good;
    switch (sign) {
      case "none":
        return Buffer.alloc(0);
      case "hmac-public-key":
        return createHmac("sha256", key.publicKey.export({ format: "pem", type: "spki" })).update(input).digest();
      case "stranger":
        return signature(input, STRANGER);
      case "other-issuer":
        return signature(input, this.#keyOf("machines", "rsa"));
      case "der":
        return signBytes("sha256", Buffer.from(input), key.privateKey);
      case "zeros":
        return Buffer.alloc(good.length);
      case "order":
        return Buffer.concat([order, order]);
      case "short":
        return good.subarray(1);
      case "long":
        return Buffer.concat([good, Buffer.alloc(1)]);
    }
  }
}

function signature(input: string, { algorithm, privateKey }: IssuerKey): Buffer {
  const key =
    algorithm === "RS256"
      ? { key: privateKey, padding: constants.RSA_PKCS1_PADDING }
      : { key: privateKey, dsaEncoding: "ieee-p1363" as const };
  return signBytes("sha256", Buffer.from(input), key);
}

function written(members: Readonly<Record<string, unknown>>, prefix: string | undefined, now: number): string {
  const kept = Object.entries(members).filter(([, value]) => value !== null);
  const text = JSON.stringify(Object.fromEntries(kept.map(([name, value]) => [name, timed(value, now)])));
  return prefix === undefined ? text : `{${prefix}${text.slice(1)}`;
}

function timed(value: unknown, now: number): unknown {
  if (typeof value !== "object" || value === null || !("$in" in value)) return value;
  return now + Number(value.$in);
}

function encoded(text: string, encoding: Recipe["claimsEncoding"]): Buffer {
  if (encoding === "bom") return Buffer.from(`\ufeff${text}`);
  return Buffer.from(text, encoding ?? "utf8");
}

function base64url(text: string): string {
  return Buffer.from(text).toString("base64url");
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
  if ("unusedBits" in change) return edit(change.unusedBits, withUnusedBits);
  if ("insert" in change) return edit(change.segment, (segment) => segment.slice(0, 9) + change.insert + segment.slice(9));
  return edit(change.flip, (segment) => (segment.startsWith("A") ? "B" : "A") + segment.slice(1));
}

function padded(segment: string): string {
  if (segment.length % 4 === 0) throw new Error("this segment takes no padding: change the recipe's length");
  return segment.padEnd(4 * Math.ceil(segment.length / 4), "=");
}

/** Sets the lowest bit of the last character, which decoders that are not strict ignore. */
function withUnusedBits(segment: string): string {
  if (segment.length % 4 === 0) throw new Error("this segment has no unused bits: change the recipe's length");
  const last = BASE64URL.indexOf(segment.slice(-1));
  return segment.slice(0, -1) + (BASE64URL[last + 1] ?? "");
}
