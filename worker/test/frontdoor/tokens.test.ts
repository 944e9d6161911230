import { Buffer } from "node:buffer";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import rows from "../data/tokens.json";
import { type ClientAnswer, Edge, policyDocument } from "../support/edge";
import { leaks } from "../support/leaks";
import { expectProblem } from "../support/problems";
import { type Recipe } from "../support/tokens";

interface Row {
  /** The group that the row belongs to: F for form, C for claims, a number for a section of an RFC. */
  readonly case: string;
  readonly name: string;
  readonly make: Recipe;
  readonly authorization?: string;
  readonly method?: string;
  readonly path?: string;
  /** More headers. None of their values with `forged` in it may get past the edge. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly expect: {
    readonly status: number;
    readonly slug?: string;
    readonly says?: string;
    /** `server`: the HTTP server refuses what is no HTTP, before the Worker sees it. */
    readonly by?: "server";
  };
}

const KNOWN_HOSTS = [
  "accounts.google.example",
  "acme.auth0.example",
  "acme.okta.example",
  "apigee.acme.example",
  "idp.exotic.example",
  "idp.machines.example",
  "login.microsoftonline.example",
  "oauth2.googleapis.example",
  "www.googleapis.example",
];

/** What no HTTP client sends, and has to be put on the wire by hand. */
const NOT_A_HEADER_VALUE = /[\0\r\n\x7f]/;

async function send(edge: Edge, row: Row): Promise<ClientAnswer> {
  const token = edge.maker.make(row.make);
  const authorization = (row.authorization ?? "Bearer $TOKEN").replaceAll("$TOKEN", token);
  const request = { method: row.method ?? "GET", path: row.path ?? "/orders" };
  if (NOT_A_HEADER_VALUE.test(authorization)) return edge.sendByHand({ ...request, headers: { authorization } });
  // Node's client sends header values as Latin-1, so that bytes outside ASCII arrive.
  const headers = { ...row.headers, authorization: Buffer.from(authorization).toString("latin1") };
  return edge.send({ ...request, headers });
}

describe("a token at the front door", () => {
  let edge: Edge;
  beforeAll(async () => {
    // A model is asked as well, so that the scan for tokens sees what it is told.
    edge = await Edge.start({ policy: { ...policyDocument(), ai_hint: { model: "@cf/meta/llama-3.1-8b-instruct-fast", per_minute: 600 } } });
  });
  afterAll(() => edge.stop());

  test.each(rows as unknown as readonly Row[])("$case: $name", async (row) => {
    const { status, slug, says, by } = row.expect;
    const answer = await send(edge, row);
    if (by === "server") {
      expect(answer.status).toBe(status);
      expect(answer.headers["x-request-id"]).toBeUndefined();
      return;
    }
    if (slug === undefined) expect(answer.status, answer.body).toBe(status);
    else expectProblem(answer, status, slug, says);
    const line = await edge.auditLine(answer.headers["x-request-id"]);
    expect(line).toMatchObject({ decision: slug === undefined ? "allow" : "deny", reason: slug ?? "ok", "http.response.status_code": status });
  });

  test("every case of the list has rows", () => {
    const cases = new Set(rows.map((row) => row.case));
    const listed = [...Array.from({ length: 11 }, (_, n) => `F${n + 1}`), ...Array.from({ length: 10 }, (_, n) => `C${n + 1}`), "C12", "C13"];
    expect(listed.filter((name) => !cases.has(name))).toEqual([]);
  });

  test("no part of any token is in a log line, KV, the cache, an answer or a URL", () => {
    const tokens = edge.maker.made.filter((token) => token.length >= 40);
    expect(tokens.length).toBeGreaterThan(400);
    // Runs of one letter, by which rows make something long, are no part of a secret.
    expect(leaks(tokens, edge.told(), ["A".repeat(20)])).toEqual([]);
    // The check can fail: a token that is told is found.
    expect(leaks(tokens, [`token=${tokens[0] ?? ""}`])).toHaveLength(1);
  });

  test("C11: the gateway's own token, taken on its way to Apigee, is none of a client's", async () => {
    await edge.sendWithToken();
    const [onward] = edge.internet.to("apigee.acme.example").slice(-1);
    expectProblem(await edge.sendWithToken({}, onward?.headers["txn-token"]), 401, "invalid-token", "not issued for this API");
  });

  test("no token made the edge reach for a host that the contract does not name", () => {
    const hosts = new Set(edge.internet.calls.map(({ host }) => host));
    expect([...hosts].filter((host) => !KNOWN_HOSTS.includes(host))).toEqual([]);
  });

  test("no refused token was forwarded", async () => {
    // Each answer is kept as a head and a body; the last audit lines may come after their answers.
    await edge.audited(edge.answers.length / 2);
    const allowed = edge.audit.filter((line) => line["decision"] === "allow");
    expect(edge.internet.to("apigee.acme.example")).toHaveLength(allowed.length);
  });

  test("C9: nothing that a client forged was forwarded", () => {
    const onward = edge.internet.to("apigee.acme.example").flatMap(({ rawHeaders }) => rawHeaders);
    expect(onward.filter(([, value]) => value.includes("forged"))).toEqual([]);
  });

  test("each issuer was asked for its keys once, and once more for key ids that it does not have", () => {
    expect(edge.internet.to("acme.okta.example", "/oauth2/default/v1/keys").length).toBeLessThanOrEqual(2);
    expect(edge.internet.to("www.googleapis.example")).toHaveLength(1);
    expect(edge.internet.to("idp.machines.example", "/keys")).toHaveLength(1);
  });
});
