import { type IssuerPolicy } from "../policy/table";
import { type JsonObject, member } from "../support/json";
import { PROFILES } from "./profiles";

/** The two names of one claim: `scope` of RFC 8693 §4.2, and `scp` as Okta (a list) and Entra (one text) write it. */
const SCOPES = ["scope", "scp"];

/**
 * The roles that a verified token's claims give, sorted, each once. A claim gives a role where it is the mapping's text,
 * or a list that holds it. Compared as they are, never by a part.
 */
export function rolesOf(claims: JsonObject, issuer: IssuerPolicy): readonly string[] {
  const profile = PROFILES[issuer.profile];
  const roles = new Set<string>();
  for (const { claim, value, role } of issuer.roles) {
    if (profile.givesRoles(claim, claims) && valuesOf(claim, claims).includes(value)) roles.add(role);
  }
  return [...roles].sort();
}

/** What a claim says. A scope is a list, whether written as one or as one text with spaces, and by either name. */
function valuesOf(claim: string, claims: JsonObject): readonly unknown[] {
  if (!SCOPES.includes(claim)) return listed(member(claims, claim));
  return SCOPES.flatMap((name) => {
    const scopes = member(claims, name);
    return typeof scopes === "string" ? scopes.split(" ") : listed(scopes);
  });
}

function listed(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}
