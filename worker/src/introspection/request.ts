import { type FetchFault, type FetchedDocument, fetchDocument } from "../support/documents";
import { type JsonObject, member } from "../support/json";
import { err, type Result, ok } from "../support/result";
import { type IntrospectionPolicy } from "../policy/table";

/** Why an issuer gave no answer. It says nothing about the token. */
export type IntrospectionFault = FetchFault | "not-an-answer";

/**
 * Asks an issuer about a token and gives the answer in the form of RFC 7662 §2.2. Anything but a well-formed answer is a
 * failure of the endpoint.
 */
export async function askIssuer(
  introspection: IntrospectionPolicy,
  secret: string,
  token: string,
): Promise<Result<JsonObject, IntrospectionFault>> {
  return introspection.protocol === "tokeninfo"
    ? tokenInfo(introspection.endpoint, token)
    : introspect(introspection, secret, token);
}

/** One introspection request (RFC 7662 §2.1), authenticated by `client_secret_basic` (RFC 6749 §2.3.1). */
async function introspect(
  { endpoint, client_id: clientId }: IntrospectionPolicy,
  secret: string,
  token: string,
): Promise<Result<JsonObject, IntrospectionFault>> {
  const authorization = basicCredentials(clientId ?? "", secret);
  const answer = await post(endpoint, { token, token_type_hint: "access_token" }, { authorization });
  if (!answer.ok) return answer;
  return typeof member(answer.value.document, "active") === "boolean" ? ok(answer.value.document) : err("not-an-answer");
}

/**
 * Google's way, `https://oauth2.googleapis.com/tokeninfo`: no client authentication, 400 for a token that is not active,
 * and numbers and booleans written as texts. The token goes in the body, since URLs end up in logs.
 */
async function tokenInfo(endpoint: string, token: string): Promise<Result<JsonObject, IntrospectionFault>> {
  const answer = await post(endpoint, { access_token: token }, {});
  if (!answer.ok) return answer.error === "bad-request" ? ok({ active: false }) : answer;
  const info = answer.value.document;
  const exp = member(info, "exp");
  if (typeof exp !== "string" || !/^\d{1,12}$/.test(exp)) return err("not-an-answer");
  return ok({
    ...info,
    active: true,
    exp: Number(exp),
    client_id: member(info, "azp") ?? member(info, "aud"),
    email_verified: member(info, "email_verified") === "true",
  });
}

function post(
  endpoint: string,
  form: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>>,
): Promise<Result<FetchedDocument, FetchFault>> {
  return fetchDocument(endpoint, {
    method: "POST",
    headers: { ...headers, accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(form).toString(),
  });
}

/** Both halves are form-encoded before they are joined (RFC 6749 §2.3.1), so that a colon stays where it belongs. */
export function basicCredentials(clientId: string, secret: string): string {
  const encode = (value: string): string => new URLSearchParams({ v: value }).toString().slice(2);
  return `Basic ${btoa(`${encode(clientId)}:${encode(secret)}`)}`;
}
