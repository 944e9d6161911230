import { type JWK } from "jose";
import { DecodeError, type Decoder, integer, list, oneOf, record, text } from "../support/decode";
import { isJsonObject } from "../support/json";

/** The keys that sign and verify internal tokens, as the Worker's RING secret holds them. */
export interface Ring {
  /** The ring's generation, which only grows. */
  readonly seq: number;
  readonly alg: "ES256";
  /** The private key that signs now. */
  readonly signing: SigningJwk;
  /** The public keys that Apigee trusts: previous, current, next. */
  readonly keys: readonly PublicJwk[];
}

/** The public half of a P-256 key. `kid` is its RFC 7638 thumbprint. */
export interface PublicJwk extends JWK {
  readonly kty: "EC";
  readonly crv: "P-256";
  readonly kid: string;
  readonly x: string;
  readonly y: string;
}

/** A P-256 key with its private half. */
export interface SigningJwk extends PublicJwk {
  readonly d: string;
}

const coordinate = text(43, /^[A-Za-z0-9_-]{43}$/);
const publicMembers = {
  kty: oneOf(["EC"]),
  crv: oneOf(["P-256"]),
  kid: coordinate,
  x: coordinate,
  y: coordinate,
};
const publicKey = jwk(record<Omit<PublicJwk, keyof JWK> & Pick<PublicJwk, "kty" | "crv" | "kid" | "x" | "y">>(publicMembers));
const signingKey = jwk(
  record<Pick<SigningJwk, "kty" | "crv" | "kid" | "x" | "y" | "d">>({ ...publicMembers, d: coordinate }),
);
const ring = record<Ring>({
  seq: integer(1, Number.MAX_SAFE_INTEGER),
  alg: oneOf(["ES256"]),
  signing: signingKey,
  keys: list(publicKey, 1, 3),
});

/** Reads the RING secret's document. Throws {@link DecodeError}, which names a place and no value. */
export function decodeRing(document: unknown): Ring {
  const decoded = ring(document, "$");
  // Else Apigee could not know the key, and would refuse everything it signs.
  if (!decoded.keys.some(({ kid }) => kid === decoded.signing.kid)) throw new DecodeError("$.keys lacks the signing key");
  return decoded;
}

/** Metadata of a JWK (RFC 7517 §4) says nothing here: the ring's place and `alg` do. */
function jwk<Key>(decoder: Decoder<Key>): Decoder<Key> {
  const metadata = new Set(["alg", "use", "key_ops", "ext"]);
  return (value, at) => {
    if (!isJsonObject(value)) return decoder(value, at);
    return decoder(Object.fromEntries(Object.entries(value).filter(([name]) => !metadata.has(name))), at);
  };
}
