import { type Caller } from "../claims/caller";
import { isClientId, isSubject } from "../claims/checks";
import { isSha256 } from "../possession/binding";
import { stillHolds } from "../support/clock";
import { DecodeError, type Decoder, integer, list, nullable, record, text } from "../support/decode";
import { type JsonObject } from "../support/json";

/** Who calls, and until when (seconds since the epoch) that may be used: what a store holds for a token. */
export interface CallerEntry {
  readonly caller: Caller;
  readonly until: number;
}

interface Written {
  readonly issuer: string;
  readonly subject: string;
  readonly client_id: string;
  readonly roles: readonly string[];
  readonly expires: number;
  readonly jti: string | null;
  readonly kid: string | null;
  readonly jkt: string | null;
  readonly x5t: string | null;
  readonly until: number;
}

const time = integer(0, Number.MAX_SAFE_INTEGER);
const anyText: Decoder<string> = (value, at) => {
  if (typeof value !== "string") throw new DecodeError(`${at} is no text`);
  return value;
};

const decodeEntry = record<Written>({
  issuer: text(64),
  subject: anyText,
  client_id: anyText,
  roles: list(text(64), 0, 1_000),
  expires: time,
  jti: nullable(anyText),
  kid: nullable(anyText),
  jkt: nullable(anyText),
  x5t: nullable(anyText),
  until: time,
});

/** The entry of an accepted token. It holds who is calling, never the token. */
export function callerToEntry({ caller, until }: CallerEntry): JsonObject {
  const { issuer, subject, clientId, roles, expires, tokenId, kid, binding } = caller;
  const names = { issuer, subject, client_id: clientId, roles, expires, jti: tokenId, kid };
  return { ...names, jkt: binding.dpopKey, x5t: binding.certificate, until };
}

/**
 * Reads an entry; null where it is none or no longer holds at `now`. KV may show an entry long after it expired, or an
 * older one, so the time inside decides, and never lets an entry live longer than `longestSeconds` from now.
 */
export function callerFromEntry(
  entry: JsonObject | null | undefined,
  now: number,
  longestSeconds: number,
): CallerEntry | null {
  if (entry === undefined || entry === null) return null;
  try {
    const { client_id: clientId, jti: tokenId, jkt, x5t, until, ...rest } = decodeEntry(entry, "$");
    const isUsable = isSubject(rest.subject) && isClientId(clientId) && [jkt, x5t].every((hash) => hash === null || isSha256(hash));
    if (!isUsable || !stillHolds(until, longestSeconds, now)) return null;
    return { caller: { ...rest, clientId, tokenId, binding: { dpopKey: jkt, certificate: x5t } }, until };
  } catch (problem) {
    if (problem instanceof DecodeError) return null;
    throw problem;
  }
}
