import { ISSUER_TIMEOUT_MS, MAX_ISSUER_DOCUMENT_BYTES } from "../constants";
import { type JsonObject, parseJsonObject } from "./json";
import { err, ok, type Result } from "./result";

/** Why a document could not be had. Said in logs only. */
export type FetchFault = "network" | "timeout" | "status" | "bad-request" | "unauthorized" | "not-found" | "too-large" | "not-json" | "not-https";

/** The statuses that say more than that there is no document. */
const STATUS_FAULTS: ReadonlyMap<number, FetchFault> = new Map([
  [400, "bad-request"],
  [401, "unauthorized"],
  [404, "not-found"],
]);

/** A JSON object that was fetched. */
export interface FetchedDocument {
  readonly document: JsonObject;
  /** `Cache-Control: max-age`, in seconds; null where there is none. */
  readonly maxAgeSeconds: number | null;
}

/**
 * Fetches a JSON object of an issuer: https only, no redirect followed (it could lead into another network, RFC 8725
 * §3.10), bounded in size and in time to the last byte.
 */
export async function fetchDocument(url: string, init: RequestInit = {}): Promise<Result<FetchedDocument, FetchFault>> {
  if (!url.startsWith("https://")) return err("not-https");
  const signal = AbortSignal.timeout(ISSUER_TIMEOUT_MS);
  try {
    const response = await fetch(url, { ...init, redirect: "manual", signal });
    if (response.status !== 200) {
      await response.body?.cancel();
      return err(STATUS_FAULTS.get(response.status) ?? "status");
    }
    const text = await readText(response, MAX_ISSUER_DOCUMENT_BYTES);
    if (text === undefined) return err("too-large");
    const document = parseJsonObject(text);
    return document === undefined ? err("not-json") : ok({ document, maxAgeSeconds: maxAge(response.headers) });
  } catch {
    return err(signal.aborted ? "timeout" : "network");
  }
}

/** Reads a body as UTF-8 text; `undefined`, with the rest left unread, where it is longer than `limit` bytes. */
export async function readText(response: Response, limit: number): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    const part = chunk as Uint8Array;
    bytes += part.byteLength;
    // Leaving the loop cancels the stream.
    if (bytes > limit) return undefined;
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}

function maxAge(headers: Headers): number | null {
  const [, seconds] = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(headers.get("cache-control") ?? "") ?? [];
  return seconds === undefined ? null : Number(seconds);
}
