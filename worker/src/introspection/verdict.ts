import { type Caller } from "../claims/caller";
import { isClientId, isSubject } from "../claims/checks";
import { DecodeError, integer, list, record, text } from "../support/decode";
import { type JsonObject } from "../support/json";
import { ok, type Result } from "../support/result";
import { type TokenFault } from "../token/fault";

/** What an issuer said of a token, and until when (seconds since the epoch) that is used. */
export interface Verdict {
  readonly caller: Result<Caller, TokenFault>;
  readonly until: number;
}

interface Entry {
  readonly issuer: string;
  readonly subject: string;
  readonly client_id: string;
  readonly roles: readonly string[];
  readonly expires: number;
  readonly until: number;
}

const decodeEntry = record<Entry>({
  issuer: text(64),
  subject: text(255),
  client_id: text(255),
  roles: list(text(64), 0, 1_000),
  expires: integer(0, Number.MAX_SAFE_INTEGER),
  until: integer(0, Number.MAX_SAFE_INTEGER),
});

/** The KV entry of an active token. It holds who is calling, never the token. */
export function verdictToEntry(caller: Caller, until: number): JsonObject {
  const { issuer, subject, clientId, roles, expires } = caller;
  return { issuer, subject, client_id: clientId, roles, expires, until };
}

/**
 * Reads a KV entry; null where it is none or no longer holds at `now`. KV may show an entry long after it expired, or an
 * older one, so the time inside decides, and never lets an entry live longer than `freshSeconds` from now.
 */
export function verdictFromEntry(entry: JsonObject | undefined, now: number, freshSeconds: number): Verdict | null {
  if (entry === undefined) return null;
  try {
    const { issuer, subject, client_id: clientId, roles, expires, until } = decodeEntry(entry, "$");
    if (!isSubject(subject) || !isClientId(clientId) || now >= until || until > now + freshSeconds) return null;
    return { caller: ok({ issuer, subject, clientId, roles, expires }), until };
  } catch (problem) {
    if (problem instanceof DecodeError) return null;
    throw problem;
  }
}
