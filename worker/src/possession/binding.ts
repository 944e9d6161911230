import { type SenderConstraintPolicy } from "../policy/table";
import { isJsonObject, member } from "../support/json";
import { err, ok, type Result } from "../support/result";
import { type TokenFault } from "../token/fault";

/** What a token is bound to (RFC 7800 `cnf`): a DPoP key, a client certificate, both, or nothing. */
export interface Binding {
  /** `jkt`: the RFC 7638 thumbprint of the DPoP key (RFC 9449 §6.1). */
  readonly dpopKey: string | null;
  /** `x5t#S256`: the SHA-256 of the client's certificate (RFC 8705 §3.1). */
  readonly certificate: string | null;
}

/** A token that anybody may use who has it. */
export const UNBOUND: Binding = { dpopKey: null, certificate: null };

// SHA-256 in base64url: 43 characters, of which the last carries two bits that must be zero.
const SHA256 = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
const METHOD_OF: Readonly<Record<string, "dpop" | "mtls">> = { jkt: "dpop", "x5t#S256": "mtls" };

/** Whether a value is a SHA-256 digest in the one canonical spelling of base64url. */
export function isSha256(value: unknown): value is string {
  return typeof value === "string" && SHA256.test(value);
}

/**
 * Reads `cnf`. A token that is bound in a way that cannot be proven here is refused, never taken as a bearer token (RFC
 * 9449 §7.2, RFC 8705 §3); so is one with a confirmation that is not known, which may be another restriction.
 */
export function bindingOf(cnf: unknown, policy: SenderConstraintPolicy | null): Result<Binding, TokenFault> {
  if (cnf === undefined) return policy?.required === true ? err("unbound") : ok(UNBOUND);
  if (!isJsonObject(cnf)) return err("sender-constrained");
  const names = Object.keys(cnf);
  const provable = names.every((name) => {
    const method = Object.hasOwn(METHOD_OF, name) ? METHOD_OF[name] : undefined;
    return method !== undefined && policy?.methods.includes(method) === true && isSha256(cnf[name]);
  });
  if (names.length === 0 || !provable) return err("sender-constrained");
  return ok({
    dpopKey: (member(cnf, "jkt") as string | undefined) ?? null,
    certificate: (member(cnf, "x5t#S256") as string | undefined) ?? null,
  });
}
