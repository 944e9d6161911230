import { Buffer } from "node:buffer";
import { createHash, randomUUID } from "node:crypto";
import { type IssuerKey, publishedJwk, signature } from "./keys";
import { written } from "./tokens";

/** How a DPoP proof is made, and then spoilt. */
export interface ProofRecipe {
  /** Members to set; null takes one away; `{"$in": 30}` is 30 seconds from now. */
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Members to set in the public key of the header. */
  readonly jwk?: Readonly<Record<string, unknown>>;
  /** Text put behind the opening brace. */
  readonly headerPrefix?: string;
  readonly claimsPrefix?: string;
}

/** What the proof is of, and by which key. */
export interface ProofOf {
  readonly method: string;
  readonly url: string;
  readonly token: string;
  readonly key: IssuerKey;
  /** The key that signs, if not the one that is shown. */
  readonly signer?: IssuerKey;
}

/** A proof by RFC 9449 §4.2. */
export function proofOf({ method, url, token, key, signer }: ProofOf, recipe: ProofRecipe = {}): string {
  const now = Math.floor(Date.now() / 1000);
  const header = { typ: "dpop+jwt", alg: key.algorithm, jwk: { ...materialOf(key), ...recipe.jwk }, ...recipe.header };
  const htu = url.replace(/[?#].*$/, "");
  const claims = { jti: randomUUID(), htm: method, htu, iat: now, ath: sha256(token), ...recipe.claims };
  const parts = [written(header, recipe.headerPrefix, now), written(claims, recipe.claimsPrefix, now)];
  const input = parts.map((part) => Buffer.from(part).toString("base64url")).join(".");
  return `${input}.${signature(input, signer ?? key).toString("base64url")}`;
}

/** The thumbprint of a key (RFC 7638 §3): its required members in the order of their names. */
export function thumbprint(key: IssuerKey): string {
  const members = Object.entries(materialOf(key)).sort(([one], [other]) => (one < other ? -1 : 1));
  return sha256(JSON.stringify(Object.fromEntries(members)));
}

/** SHA-256 in base64url. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

function materialOf(key: IssuerKey): Readonly<Record<string, unknown>> {
  const { kty, crv, n, e, x, y } = publishedJwk(key);
  return JSON.parse(JSON.stringify({ kty, crv, n, e, x, y })) as Readonly<Record<string, unknown>>;
}
