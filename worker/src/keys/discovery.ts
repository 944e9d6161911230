import { type KeysFault } from "../audit/event_log";
import { fetchDocument } from "../support/documents";
import { type JsonObject, member } from "../support/json";
import { err, ok, type Result } from "../support/result";

/**
 * Finds the URL of an issuer's key set in its metadata: OpenID Connect Discovery 1.0 §4, else RFC 8414 §3 where there is
 * none. The metadata's `issuer` must be the configured one to the letter (§4.3): no other issuer may speak for it.
 */
export async function discoverKeySetUrl(issuer: string): Promise<Result<string, KeysFault>> {
  const openid = await fetchDocument(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  if (openid.ok) return keySetUrl(openid.value.document, issuer);
  if (openid.error !== "not-found") return openid;
  const oauth = await fetchDocument(oauthMetadataUrl(issuer));
  return oauth.ok ? keySetUrl(oauth.value.document, issuer) : oauth;
}

/** RFC 8414 §3.1: the well-known part stands between the host and the issuer's path. */
export function oauthMetadataUrl(issuer: string): string {
  const { origin, pathname } = new URL(issuer);
  return `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, "")}`;
}

function keySetUrl(metadata: JsonObject, issuer: string): Result<string, KeysFault> {
  if (member(metadata, "issuer") !== issuer) return err("wrong-issuer");
  const url = member(metadata, "jwks_uri");
  return typeof url === "string" && URL.canParse(url) ? ok(url) : err("no-jwks-uri");
}
