import { type JWK } from "jose";
import { DecodeError, type Decoder, integer, list, oneOf, record, text } from "../support/decode";
import { isJsonObject } from "../support/json";

/** The keys that sign and verify internal tokens, as the Worker's RING secret holds them. */
export interface Ring {
  /** The ring's generation, which only grows. */
  readonly seq: number;
  /** The private key that signs now. */
  readonly signing: SigningJwk;
  /** The public keys that Apigee trusts: previous, current, next. They need not be of one algorithm. */
  readonly keys: readonly PublicJwk[];
}

/** What a key of the ring may sign with (RFC 7518 §3.1). */
export type RingAlgorithm = "ES256" | "ES384" | "RS256" | "PS256";

/** The public half of a key. `kid` is its RFC 7638 thumbprint, `alg` the one algorithm it is for. */
export interface PublicJwk extends JWK {
  readonly kty: "EC" | "RSA";
  readonly alg: RingAlgorithm;
  readonly kid: string;
}

/** A key with its private half. */
export interface SigningJwk extends PublicJwk {
  readonly d: string;
}

type Members = Readonly<Record<string, Decoder<string>>>;

const thumbprint = base64url(43);
/** What a key of each algorithm consists of (RFC 7518 §6.2 and §6.3), without what every key has. */
const MEMBERS: Readonly<Record<RingAlgorithm, { readonly public: Members; readonly private: Members }>> = {
  ES256: elliptic("P-256", 43),
  ES384: elliptic("P-384", 64),
  RS256: rsa2048(),
  PS256: rsa2048(),
};
const algorithm = oneOf(["ES256", "ES384", "RS256", "PS256"]);
/** Metadata of a JWK (RFC 7517 §4) that says nothing here: the key's place does. */
const METADATA: ReadonlySet<string> = new Set(["use", "key_ops", "ext"]);

const ring = record<Ring>({
  seq: integer(1, Number.MAX_SAFE_INTEGER),
  signing: (value, at) => {
    const { key, members } = decodeKey(value, at, "private");
    return { ...members, ...key, d: members["d"] ?? "" };
  },
  keys: list((value, at) => {
    const { key, members } = decodeKey(value, at, "public");
    return { ...members, ...key };
  }, 1, 3),
});

/** Reads the RING secret's document. Throws {@link DecodeError}, which names a place and no value. */
export function decodeRing(document: unknown): Ring {
  const decoded = ring(document, "$");
  const { kid, alg } = decoded.signing;
  // Else Apigee could not know the key, and would refuse everything it signs.
  if (!decoded.keys.some((key) => key.kid === kid && key.alg === alg)) throw new DecodeError("$.keys lacks the signing key");
  return decoded;
}

/** Reads a key by the members of its algorithm: one more, or one less, is refused. */
function decodeKey(
  value: unknown,
  at: string,
  half: "public" | "private",
): { readonly key: PublicJwk; readonly members: Readonly<Record<string, string>> } {
  if (!isJsonObject(value)) throw new DecodeError(`${at} is not an object`);
  const alg = algorithm(value["alg"], `${at}.alg`);
  const expected = { alg: oneOf([alg]), kid: thumbprint, ...MEMBERS[alg].public, ...(half === "private" ? MEMBERS[alg].private : {}) };
  const written = Object.fromEntries(Object.entries(value).filter(([name]) => !METADATA.has(name)));
  const members = record<Record<string, string>>(expected)(written, at);
  return { key: { alg, kty: alg.startsWith("E") ? "EC" : "RSA", kid: members["kid"] ?? "" }, members };
}

function elliptic(curve: string, length: number): { readonly public: Members; readonly private: Members } {
  const coordinate = base64url(length);
  return {
    public: { kty: oneOf(["EC"]), crv: oneOf([curve]), x: coordinate, y: coordinate },
    private: { d: coordinate },
  };
}

function rsa2048(): { readonly public: Members; readonly private: Members } {
  const [whole, half] = [base64url(342), base64url(171)];
  // A Base64urlUInt has no leading zero bytes (RFC 7518 §2), and one in some thirty of these exponents would have one.
  const [exponent, part] = [base64url(342, 1), base64url(171, 1)];
  return {
    public: { kty: oneOf(["RSA"]), n: whole, e: oneOf(["AQAB"]) },
    private: { d: exponent, p: half, q: half, dp: part, dq: part, qi: part },
  };
}

function base64url(length: number, fewest = length): Decoder<string> {
  return text(length, new RegExp(`^[A-Za-z0-9_-]{${String(fewest)},${String(length)}}$`));
}
