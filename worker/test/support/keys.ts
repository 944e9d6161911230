import { Buffer } from "node:buffer";
import {
  constants,
  generateKeyPairSync,
  type KeyObject,
  type JsonWebKey,
  type KeyPairKeyObjectResult,
  sign as signBytes,
} from "node:crypto";
import { type Algorithm } from "../../src/policy/table";

/** One key pair of an issuer. */
export interface IssuerKey {
  readonly kid: string;
  readonly algorithm: Algorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** A way to spoil a signature: its encoding, or one of an ECDSA signature's numbers. */
export type SignatureShape =
  | "der"
  | "short"
  | "long"
  | "negated-s"
  | { readonly r?: Scalar; readonly s?: Scalar };

/** A number of a P-256 signature; n is the order of the curve. */
export type Scalar = "0" | "n" | "n-1" | "n+1" | "max";

const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const SCALARS: Readonly<Record<Scalar, bigint>> = {
  "0": 0n,
  n: P256_ORDER,
  "n-1": P256_ORDER - 1n,
  "n+1": P256_ORDER + 1n,
  max: 2n ** 256n - 1n,
};
const CURVES: Readonly<Record<string, string>> = { ES256: "P-256", ES384: "P-384", ES512: "P-521" };

/** Makes a key pair of its own. */
export function newKey(kid: string, algorithm: Algorithm): IssuerKey {
  return { kid, algorithm, ...newPair(algorithm) };
}

/** The same key pair under another name, for another algorithm. */
export function sameMaterial(key: IssuerKey, kid: string, algorithm: Algorithm): IssuerKey {
  return { ...key, kid, algorithm };
}

/** The public JWK of a key, as an issuer publishes it. */
export function publishedJwk(key: IssuerKey): JsonWebKey {
  return { ...key.publicKey.export({ format: "jwk" }), kid: key.kid, alg: key.algorithm, use: "sig" };
}

/** The signature of RFC 7518 §3. */
export function signature(input: string, { algorithm, privateKey }: IssuerKey): Buffer {
  const bytes = Buffer.from(input);
  const bits = algorithm.slice(2);
  if (algorithm.startsWith("Ed")) return signBytes(null, bytes, privateKey);
  if (algorithm.startsWith("ES")) return signBytes(`sha${bits}`, bytes, { key: privateKey, dsaEncoding: "ieee-p1363" });
  const padding = algorithm.startsWith("PS") ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
  return signBytes(`sha${bits}`, bytes, { key: privateKey, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST });
}

/** A signature that is spoilt. */
export function shaped(input: string, key: IssuerKey, shape: SignatureShape): Buffer {
  const good = signature(input, key);
  switch (shape) {
    case "der":
      return signBytes("sha256", Buffer.from(input), key.privateKey);
    case "short":
      return good.subarray(1);
    case "long":
      return Buffer.concat([good, Buffer.alloc(1)]);
    case "negated-s":
      return Buffer.concat([good.subarray(0, 32), bytesOf(P256_ORDER - BigInt(`0x${good.subarray(32).toString("hex")}`))]);
    default: {
      const { r, s } = shape;
      const parts = [r === undefined ? good.subarray(0, 32) : bytesOf(SCALARS[r]), s === undefined ? good.subarray(32) : bytesOf(SCALARS[s])];
      return Buffer.concat(parts);
    }
  }
}

function newPair(algorithm: Algorithm): KeyPairKeyObjectResult {
  const namedCurve = CURVES[algorithm];
  if (namedCurve !== undefined) return generateKeyPairSync("ec", { namedCurve });
  return algorithm.startsWith("Ed") ? generateKeyPairSync("ed25519") : generateKeyPairSync("rsa", { modulusLength: 2048 });
}

function bytesOf(scalar: bigint): Buffer {
  return Buffer.from(scalar.toString(16).padStart(64, "0"), "hex");
}
