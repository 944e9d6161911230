import { type IssuerPolicy } from "../policy/table";
import { type JsonObject, member } from "../support/json";
import { PROFILES } from "./profiles";

/**
 * The roles that a verified token's claims give, sorted, each once. A claim gives a role where it is the mapping's text,
 * or a list that holds it; `scope` is a list written as one text (RFC 8693 §4.2). Compared as they are, never by a part.
 */
export function rolesOf(claims: JsonObject, issuer: IssuerPolicy): readonly string[] {
  const profile = PROFILES[issuer.profile];
  const roles = new Set<string>();
  for (const { claim, value, role } of issuer.roles) {
    if (profile.givesRoles(claim, claims) && valuesOf(claim, claims).includes(value)) roles.add(role);
  }
  return [...roles].sort();
}

function valuesOf(claim: string, claims: JsonObject): readonly unknown[] {
  const value = member(claims, claim);
  if (Array.isArray(value)) return value;
  return claim === "scope" && typeof value === "string" ? value.split(" ") : [value];
}
