import { type Caller } from "../claims/caller";
import { type IssuerPolicy } from "../policy/table";
import { dpopUnavailable, invalidDpopProof, invalidToken, nonceRequired, type Refusal } from "../problems/refusal";
import { nowSeconds } from "../support/clock";
import { type Nonces } from "./nonce";
import { type Proof, readProof } from "./proof";
import { firstUse, type ReplayNamespace } from "./replay";

/** A token and what came with it to show whose it is. */
export interface Presented {
  readonly token: string;
  readonly scheme: "bearer" | "dpop";
  /** The `DPoP` header. */
  readonly proof: string | null;
  readonly method: string;
  readonly url: string;
  /** The SHA-256 of the client's certificate; null where the connection proves none. */
  readonly certificate: string | null;
}

/** What checking possession needs. */
export interface PossessionOptions {
  readonly issuers: readonly IssuerPolicy[];
  /** The clock difference allowed, in seconds. */
  readonly leeway: number;
  readonly nonces: Nonces;
  /** Null where no issuer's tokens are bound to DPoP keys. */
  readonly guards: ReplayNamespace | null;
}

/** Checks that who sends a token is who it was given to: what the token is bound to must be proven, and by its scheme. */
export class Possession {
  readonly #options: PossessionOptions;
  readonly #wantsNonce: ReadonlySet<string>;

  constructor(options: PossessionOptions) {
    this.#options = options;
    const wanting = options.issuers.filter(({ sender_constraint: constraint }) => constraint?.dpop_nonce === true);
    this.#wantsNonce = new Set(wanting.map(({ name }) => name));
  }

  /** Why the sender is not who the token is bound to; null where it is, or where the token is bound to nothing. */
  async refusal({ binding, issuer }: Caller, presented: Presented): Promise<Refusal | null> {
    if (binding.certificate !== null && binding.certificate !== presented.certificate) {
      return invalidToken("certificate-mismatch");
    }
    if (binding.dpopKey === null) return presented.scheme === "dpop" ? invalidToken("unbound") : null;
    // RFC 9449 §7.2: a token bound to a key must not pass as a bearer token.
    if (presented.scheme === "bearer") return invalidToken("sender-constrained");
    return this.#proofRefusal(binding.dpopKey, issuer, presented);
  }

  async #proofRefusal(keyThumbprint: string, issuer: string, presented: Presented): Promise<Refusal | null> {
    const { leeway, nonces, guards } = this.#options;
    const now = nowSeconds();
    const proof = await readProof(presented.proof, { ...presented, keyThumbprint }, { now, leeway });
    if (!proof.ok) return invalidDpopProof(proof.error);
    if (this.#wantsNonce.has(issuer) && !(await nonces.isGood(proof.value.nonce, now))) {
      return nonceRequired(await nonces.current(now));
    }
    return guards === null ? dpopUnavailable() : usedRefusal(guards, keyThumbprint, proof.value);
  }
}

/** Last of all, so that only proofs that are good in every other respect take room. */
async function usedRefusal(guards: ReplayNamespace, keyThumbprint: string, proof: Proof): Promise<Refusal | null> {
  const isFirst = await firstUse(guards, keyThumbprint, proof);
  if (isFirst === "unavailable") return dpopUnavailable();
  return isFirst ? null : invalidDpopProof("replayed");
}
