import { afterAll, beforeAll, describe, expect, test } from "vitest";
import rows from "../data/requests.json";
import { Edge } from "../support/edge";
import { expectProblem } from "../support/problems";

interface Row {
  readonly name: string;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sends no token. */
  readonly anonymous?: boolean;
  readonly expect: {
    readonly status: number;
    readonly slug?: string;
    readonly allow?: string;
    readonly operation?: string | null;
    readonly route?: string | null;
  };
}

describe("a request at the front door", () => {
  let edge: Edge;
  beforeAll(async () => {
    edge = await Edge.start();
  });
  afterAll(() => edge.stop());

  test.each(rows as unknown as readonly Row[])("$name", async ({ expect: expected, anonymous, ...row }) => {
    const before = edge.internet.to("apigee.acme.example").length;
    const token = edge.maker.make({ claims: { groups: ["store-readers", "store-buyers"] } });
    const answer = anonymous === true ? await edge.send(row) : await edge.sendWithToken(row, token);
    const line = await edge.auditLine(answer.headers["x-request-id"]);
    expect(line).toMatchObject({ reason: expected.slug ?? "ok", "http.response.status_code": expected.status });
    if (expected.operation !== undefined) expect(line["operation"]).toBe(expected.operation);
    if (expected.route !== undefined) expect(line["http.route"]).toBe(expected.route);
    expect(answer.headers.allow).toBe(expected.allow);
    const onward = edge.internet.to("apigee.acme.example").slice(before);
    if (expected.slug === undefined) {
      expect(answer.status, answer.body).toBe(expected.status);
      // What was matched is what is forwarded, to the byte.
      expect(onward.map(({ method, path }) => [method, path])).toEqual([[row.method ?? "GET", row.path ?? "/orders"]]);
    } else {
      expectProblem(answer, expected.status, expected.slug);
      expect(onward).toEqual([]);
    }
  });

  test("a refused HEAD has the status and headers of the refusal and no body", async () => {
    const answer = await edge.send({ method: "HEAD" });
    expect(answer.status).toBe(401);
    expect(answer.body).toBe("");
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(answer.headers["www-authenticate"]).toBe('Bearer realm="https://api.acme.example"');
  });

  test("two Authorization headers are refused, also where they agree", async () => {
    const value = `Bearer ${edge.maker.make()}`;
    expectProblem(await edge.send({ headers: { authorization: [value, value] } }), 400, "invalid-request");
  });
});
