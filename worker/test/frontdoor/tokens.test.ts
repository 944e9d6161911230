import { Buffer } from "node:buffer";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import rows from "../data/tokens.json";
import { Edge } from "../support/edge";
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
  readonly expect: { readonly status: number; readonly slug?: string; readonly says?: string };
}

const KNOWN_HOSTS = [
  "accounts.google.example",
  "acme.okta.example",
  "apigee.acme.example",
  "idp.machines.example",
  "www.googleapis.example",
];

describe("a token at the front door", () => {
  let edge: Edge;
  beforeAll(async () => {
    edge = await Edge.start();
  });
  afterAll(() => edge.stop());

  test.each(rows as unknown as readonly Row[])("$case: $name", async (row) => {
    const token = edge.maker.make(row.make);
    const authorization = (row.authorization ?? "Bearer $TOKEN").replaceAll("$TOKEN", token);
    // Node's client sends header values as Latin-1, so that bytes outside ASCII arrive.
    const headers = { authorization: Buffer.from(authorization).toString("latin1") };
    const answer = await edge.send({ method: row.method ?? "GET", path: row.path ?? "/orders", headers });
    if (row.expect.slug === undefined) expect(answer.status, answer.body).toBe(row.expect.status);
    else expectProblem(answer, row.expect.status, row.expect.slug, row.expect.says);
    const line = await edge.auditLine(answer.headers["x-request-id"]);
    expect(line).toMatchObject({
      decision: row.expect.slug === undefined ? "allow" : "deny",
      reason: row.expect.slug ?? "ok",
      status: row.expect.status,
    });
  });

  test("no token made the edge reach for a host that the contract does not name", () => {
    const hosts = new Set(edge.internet.calls.map(({ host }) => host));
    expect([...hosts].filter((host) => !KNOWN_HOSTS.includes(host))).toEqual([]);
  });

  test("no refused token was forwarded", () => {
    const allowed = edge.audit.filter((line) => line["decision"] === "allow");
    expect(edge.internet.to("apigee.acme.example")).toHaveLength(allowed.length);
  });

  test("each issuer was asked for its keys once, and once more for key ids that it does not have", () => {
    expect(edge.internet.to("acme.okta.example", "/oauth2/default/v1/keys").length).toBeLessThanOrEqual(2);
    expect(edge.internet.to("www.googleapis.example")).toHaveLength(1);
    expect(edge.internet.to("idp.machines.example", "/keys")).toHaveLength(1);
  });
});
