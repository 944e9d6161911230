import { MAX_TOKEN_BYTES } from "../constants";
import { ambiguousCredentials, headersTooLarge, invalidToken, noCredentials, type Refusal } from "../problems/refusal";
import { err, ok, type Result } from "../support/result";

const BEARER = /^bearer(?: +|$)/i;
const LONGEST_PREFIX = 64;
const QUERY_TOKEN = /[?&]access_token=/;

/**
 * Takes the token from the Authorization header, the only place it is taken from (RFC 6750 §2.1; the body and the query
 * end up in logs). The scheme's case does not matter (RFC 9110 §11.1). The token itself is not looked into.
 */
export function bearerToken(authorization: string | null, query: string): Result<string, Refusal> {
  if (authorization === null || authorization === "") return err(noCredentials());
  if (authorization.length > MAX_TOKEN_BYTES + LONGEST_PREFIX) {
    return err(headersTooLarge("The Authorization header is larger than any token this API accepts."));
  }
  // Several header lines are joined by a comma, which no bearer token holds.
  if (authorization.includes(",")) return err(ambiguousCredentials());
  if (!BEARER.test(authorization)) return err(noCredentials());
  if (QUERY_TOKEN.test(query)) return err(ambiguousCredentials());
  const token = authorization.replace(BEARER, "");
  if (token.length > MAX_TOKEN_BYTES) return err(headersTooLarge("The token is larger than this API accepts."));
  return token === "" ? err(invalidToken("malformed")) : ok(token);
}
