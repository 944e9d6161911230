import { type FetchFault, fetchDocument } from "../support/documents";
import { type JsonObject, member } from "../support/json";
import { err, type Result, ok } from "../support/result";
import { type IssuerPolicy } from "../policy/table";

/**
 * Sends one introspection request (RFC 7662 §2.1), authenticated by `client_secret_basic` (RFC 6749 §2.3.1). Anything
 * but a well-formed answer is a failure of the endpoint, and says nothing about the token.
 */
export async function askIssuer(
  issuer: IssuerPolicy,
  secret: string,
  token: string,
): Promise<Result<JsonObject, FetchFault | "not-an-answer">> {
  if (issuer.introspection === null) return err("not-an-answer");
  const { endpoint, client_id: clientId } = issuer.introspection;
  const answer = await fetchDocument(endpoint, {
    method: "POST",
    headers: {
      authorization: basicCredentials(clientId, secret),
      accept: "application/json",
      "content-type": "application/x-www-form-urlencoded",
    },
    body: new URLSearchParams({ token, token_type_hint: "access_token" }).toString(),
  });
  if (!answer.ok) return answer;
  return typeof member(answer.value.document, "active") === "boolean" ? ok(answer.value.document) : err("not-an-answer");
}

/** Both halves are form-encoded before they are joined (RFC 6749 §2.3.1), so that a colon stays where it belongs. */
export function basicCredentials(clientId: string, secret: string): string {
  const encode = (value: string): string => new URLSearchParams({ v: value }).toString().slice(2);
  return `Basic ${btoa(`${encode(clientId)}:${encode(secret)}`)}`;
}
