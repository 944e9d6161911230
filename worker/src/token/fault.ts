/** Why a token is not accepted. The caller sees one text for each; tests and code tell them apart. */
export type TokenFault =
  | "malformed"
  | "untrusted"
  | "expired"
  | "not-yet-valid"
  | "wrong-audience"
  | "wrong-kind"
  | "unfit-claims"
  | "sender-constrained"
  | "unbound"
  | "certificate-mismatch"
  | "revoked"
  | "inactive";
