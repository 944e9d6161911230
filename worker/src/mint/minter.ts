import { CompactSign, importJWK } from "jose";
import { type InternalPolicy } from "../policy/table";
import { type Ring } from "./ring";

/** What an internal token says of one request. */
export interface Transaction {
  /** A UUID of its own for each request. */
  readonly txn: string;
  readonly subject: string;
  /** The consumer's key at Apigee. */
  readonly clientId: string;
  readonly roles: readonly string[];
  readonly product: string;
  readonly operation: string;
  /** The name of the issuer in the contract. */
  readonly issuer: string;
  /** The subject's pseudonym in audit lines. */
  readonly subjectHash: string;
}

/** What internal tokens of one Worker version have in common. */
export interface MinterOptions {
  readonly ring: Ring;
  readonly internal: InternalPolicy;
  /** The name of the stack. */
  readonly environment: string;
  /** The contract's version. */
  readonly contract: string;
}

/** Makes the internal tokens, in the shape of draft-ietf-oauth-transaction-tokens. */
export class Minter {
  readonly #options: MinterOptions;
  readonly #encoder = new TextEncoder();
  #key: CryptoKey | null = null;

  constructor(options: MinterOptions) {
    this.#options = options;
  }

  /** The key id that tokens are signed with. */
  get kid(): string {
    return this.#options.ring.signing.kid;
  }

  /** Signs a token for one request. `now` in seconds since the epoch. */
  async mint(transaction: Transaction, now: number): Promise<string> {
    const { ring, internal, environment, contract } = this.#options;
    this.#key ??= await signingKey(ring);
    const claims = {
      iss: internal.issuer,
      aud: internal.audience,
      iat: now,
      exp: now + internal.life_seconds,
      txn: transaction.txn,
      sub: transaction.subject,
      // The purpose of the transaction: this operation and no more, whatever the client's own token allows.
      scope: transaction.operation,
      client_id: transaction.clientId,
      roles: transaction.roles,
      product: transaction.product,
      req_wl: `portcullis-edge/${environment}`,
      tctx: {
        operation: transaction.operation,
        contract,
        ring_seq: ring.seq,
        issuer: transaction.issuer,
        sub_hash: transaction.subjectHash,
      },
    };
    // jose's own maker of claims would copy them all once more, for each token.
    return new CompactSign(this.#encoder.encode(JSON.stringify(claims)))
      .setProtectedHeader({ alg: ring.signing.alg, kid: ring.signing.kid, typ: "txntoken+jwt" })
      .sign(this.#key);
  }
}

/** Importing costs as much as a third of a signature, so it is done once in an isolate. */
async function signingKey({ signing }: Ring): Promise<CryptoKey> {
  const key = await importJWK(signing, signing.alg);
  if (!(key instanceof CryptoKey)) throw new TypeError("the ring's signing key is no asymmetric key");
  return key;
}
