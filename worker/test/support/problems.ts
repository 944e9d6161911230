import { expect } from "vitest";
import { type ClientAnswer } from "./edge";

/** The challenge of each kind of refusal (RFC 6750 §3); null: there is none. */
const ERRORS: Readonly<Record<string, string | null>> = {
  "invalid-token": "invalid_token",
  "insufficient-role": "insufficient_scope",
};

/** Checks that an answer is the problem of that slug in every respect (RFC 9457), and of one text where `says` is given. */
export function expectProblem(answer: ClientAnswer, status: number, slug: string, says?: string): void {
  expect(answer.status, answer.body).toBe(status);
  expect(answer.headers["content-type"]).toBe("application/problem+json");
  expect(answer.headers["cache-control"]).toBe("no-store");
  const problem = JSON.parse(answer.body) as Record<string, unknown>;
  const more = slug === "quota-exceeded" ? ["violated-policies"] : [];
  expect(Object.keys(problem)).toEqual(["type", "title", "status", "detail", ...more, "trace_id"]);
  const registered = "https://iana.org/assignments/http-problem-types#";
  const types = slug === "quota-exceeded" ? registered : "https://developer.acme.example/problems/";
  expect(problem).toMatchObject({ type: `${types}${slug}`, status });
  expect(problem["trace_id"]).toMatch(/^[0-9a-f]{32}$/);
  expect(answer.headers["x-request-id"]).toBe(problem["trace_id"]);
  if (says !== undefined) expect(problem["detail"]).toContain(says);
  expectChallenge(answer.headers["www-authenticate"], slug, String(problem["detail"]));
}

function expectChallenge(challenge: string | undefined, slug: string, detail: string): void {
  if (slug === "no-credentials") expect(challenge).toBe('Bearer realm="https://api.acme.example"');
  const error = ERRORS[slug];
  if (typeof error === "string") {
    const [bearer, roles] = (challenge ?? "").split(', scope="');
    expect(bearer).toBe(`Bearer realm="https://api.acme.example", error="${error}", error_description="${detail}"`);
    // RFC 6750 §3.1: what is lacking is named, and only then.
    if (slug === "insufficient-role") expect(roles).toMatch(/^[a-z][a-z -]*"$/);
    else expect(roles).toBeUndefined();
  }
  if (["consumer-not-entitled", "operation-not-found", "method-not-allowed"].includes(slug)) expect(challenge).toBeUndefined();
}
