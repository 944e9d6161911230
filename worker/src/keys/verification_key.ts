import { importJWK, type JWK } from "jose";
import { MAX_KEYS_IN_SET, MAX_KID_BYTES, MAX_RSA_BITS, MIN_RSA_BITS } from "../constants";
import { type Algorithm } from "../policy/table";
import { isJsonObject, type JsonObject, member } from "../support/json";
import { decodeCanonical } from "../token/base64url";

/** A public key of an issuer, for the one algorithm it is used with (RFC 8725 §3.1: never chosen by the token). */
export interface VerificationKey {
  readonly kid: string;
  readonly algorithm: Algorithm;
  readonly key: CryptoKey;
  /** What the key was made from, to keep it: public members only. */
  readonly jwk: JWK;
}

/** An issuer's keys by key id. */
export type KeySet = ReadonlyMap<string, VerificationKey>;

/** The key type, and the curve where the type has several, of each algorithm (RFC 7518 §3, RFC 8037 §3.1, RFC 9864). */
const KEY_OF: Readonly<Record<Algorithm, { readonly kty: string; readonly crv?: string }>> = {
  RS256: { kty: "RSA" },
  RS384: { kty: "RSA" },
  RS512: { kty: "RSA" },
  PS256: { kty: "RSA" },
  PS384: { kty: "RSA" },
  PS512: { kty: "RSA" },
  ES256: { kty: "EC", crv: "P-256" },
  ES384: { kty: "EC", crv: "P-384" },
  ES512: { kty: "EC", crv: "P-521" },
  EdDSA: { kty: "OKP", crv: "Ed25519" },
  Ed25519: { kty: "OKP", crv: "Ed25519" },
};
/** The members that make a public key of each type (RFC 7518 §6, RFC 8037 §2), beside `crv`. */
const MATERIAL_OF: Readonly<Record<string, readonly string[]>> = { RSA: ["n", "e"], EC: ["x", "y"], OKP: ["x"] };
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/**
 * Reads a JWK Set (RFC 7517 §5). A key that is unfit is left out, so that one cannot spoil the set: not for signatures,
 * of another algorithm than the issuer's, too weak, off its curve, or with its private half in public. So are all keys
 * that share a key id. `undefined` where it is no set, holds too many keys, or none that is fit.
 */
export async function readKeySet(document: unknown, algorithms: readonly Algorithm[]): Promise<KeySet | undefined> {
  const entries = isJsonObject(document) ? member(document, "keys") : undefined;
  if (!Array.isArray(entries) || entries.length > MAX_KEYS_IN_SET) return undefined;
  const listed: readonly unknown[] = entries;
  const kids = listed.filter(isJsonObject).map((jwk) => member(jwk, "kid"));
  const repeated = new Set(kids.filter((kid, index) => kids.indexOf(kid) !== index));
  const distinct = listed.filter(isJsonObject).filter((jwk) => !repeated.has(member(jwk, "kid")));
  const keys = await Promise.all(distinct.map((jwk) => readKey(jwk, algorithms)));
  const fit = keys.filter((key) => key !== undefined);
  return fit.length === 0 ? undefined : new Map(fit.map((key) => [key.kid, key]));
}

async function readKey(jwk: JsonObject, algorithms: readonly Algorithm[]): Promise<VerificationKey | undefined> {
  const kid = member(jwk, "kid");
  if (typeof kid !== "string" || kid === "" || kid.length > MAX_KID_BYTES) return undefined;
  const found = await readPublicKey(jwk, algorithms);
  if (found === undefined) return undefined;
  const { algorithm, key, material } = found;
  return { kid, algorithm, key, jwk: { ...material, kid, alg: algorithm } };
}

/** A public key for one algorithm, and the members that it is made of. */
export interface PublicKey {
  readonly algorithm: Algorithm;
  readonly key: CryptoKey;
  readonly material: JWK;
}

/** Reads a JWK as a key to verify with by one of the algorithms; `undefined` where it is unfit for each. */
export async function readPublicKey(jwk: JsonObject, algorithms: readonly Algorithm[]): Promise<PublicKey | undefined> {
  const algorithm = algorithmOf(jwk, algorithms);
  const material = algorithm !== undefined && isForVerifying(jwk) ? publicMaterial(jwk) : undefined;
  if (algorithm === undefined || material === undefined) return undefined;
  try {
    const key = await importJWK(material, algorithm, { extractable: false });
    return key instanceof CryptoKey ? { algorithm, key, material } : undefined;
  } catch {
    return undefined;
  }
}

/** The key's own `alg`, else the issuer's first that suits its type (RFC 7517 §4.4: `alg` is optional, and Entra omits it). */
function algorithmOf(jwk: JsonObject, algorithms: readonly Algorithm[]): Algorithm | undefined {
  const alg = member(jwk, "alg");
  return algorithms.find((algorithm) => {
    const { kty, crv } = KEY_OF[algorithm];
    const suits = member(jwk, "kty") === kty && (crv === undefined || member(jwk, "crv") === crv);
    return suits && (alg === undefined || alg === algorithm);
  });
}

function isForVerifying(jwk: JsonObject): boolean {
  const use = member(jwk, "use");
  const operations = member(jwk, "key_ops");
  const verifies = operations === undefined || (Array.isArray(operations) && operations.includes("verify"));
  return (use === undefined || use === "sig") && verifies && !PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name));
}

/** Only the members that make the public key, so that nothing else in the document has a say in its import. */
function publicMaterial(jwk: JsonObject): JWK | undefined {
  const kty = member(jwk, "kty");
  const names = typeof kty === "string" && Object.hasOwn(MATERIAL_OF, kty) ? (MATERIAL_OF[kty] ?? []) : [];
  const parts = names.map((name) => [name, member(jwk, name)] as const);
  if (parts.length === 0 || parts.some(([, value]) => typeof value !== "string" || decodeCanonical(value) === undefined)) {
    return undefined;
  }
  const curve = kty === "RSA" ? {} : { crv: member(jwk, "crv") };
  const material: JWK = { kty, ...curve, ...Object.fromEntries(parts) } as JWK;
  return kty === "RSA" && !isStrongRsa(material.n ?? "", material.e ?? "") ? undefined : material;
}

function isStrongRsa(n: string, e: string): boolean {
  const modulus = decodeCanonical(n);
  const exponent = decodeCanonical(e);
  if (modulus === undefined || exponent === undefined || exponent.length > 4) return false;
  const [highest = 0] = modulus;
  const bits = modulus.length * 8 - (Math.clz32(highest) - 24);
  const value = exponent.reduce((sum, byte) => sum * 256 + byte, 0);
  // An even exponent is no RSA, 1 makes any signature valid.
  return bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS && value >= 3 && value % 2 === 1;
}
