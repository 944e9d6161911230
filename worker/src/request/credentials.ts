import { MAX_TOKEN_BYTES } from "../constants";
import { ambiguousCredentials, headersTooLarge, invalidToken, noCredentials, type Refusal } from "../problems/refusal";
import { err, ok, type Result } from "../support/result";

/** A token, and the scheme it came under: by which the client says whether it is bound to a key. */
export interface Credentials {
  readonly scheme: "bearer" | "dpop";
  readonly token: string;
}

const SCHEME = /^(bearer|dpop)(?: +|$)/i;
const LONGEST_PREFIX = 64;
const QUERY_TOKEN = /[?&]access_token=/;

// Several header lines are joined by a comma, and each begins with a scheme (RFC 9110 §5.3, §11.4).
const SECOND_CREDENTIALS = /,[ \t]*[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]*(?: |,|$)/;

/**
 * Takes the token from the Authorization header, the only place it is taken from (RFC 6750 §2.1; the body and the query
 * end up in logs). The scheme's case does not matter (RFC 9110 §11.1). The token itself is not looked into.
 */
export function credentials(authorization: string | null, query: string): Result<Credentials, Refusal> {
  if (authorization === null || authorization === "") return err(noCredentials());
  if (authorization.length > MAX_TOKEN_BYTES + LONGEST_PREFIX) {
    return err(headersTooLarge("The Authorization header is larger than any token this API accepts."));
  }
  if (SECOND_CREDENTIALS.test(authorization)) return err(ambiguousCredentials());
  const [prefix, scheme] = SCHEME.exec(authorization) ?? [];
  if (prefix === undefined || scheme === undefined) return err(noCredentials());
  if (QUERY_TOKEN.test(query)) return err(ambiguousCredentials());
  const token = authorization.slice(prefix.length);
  if (token.length > MAX_TOKEN_BYTES) return err(headersTooLarge("The token is larger than this API accepts."));
  if (token === "") return err(invalidToken("malformed"));
  return ok({ scheme: scheme.toLowerCase() === "dpop" ? "dpop" : "bearer", token });
}
