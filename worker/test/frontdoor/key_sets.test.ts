import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import rows from "../data/key_sets.json";
import { Edge, policyDocument } from "../support/edge";
import { answers } from "../support/internet";
import { type IssuerKey, newKey, publishedJwk } from "../support/keys";
import { expectProblem } from "../support/problems";
import { TokenMaker } from "../support/tokens";

/** One issuer's key set (case F12), and what becomes of a token that is signed by the key in question. */
interface Row {
  readonly name: string;
  readonly key: keyof typeof MATERIAL;
  /** Members to set in the published key; null takes one away. */
  readonly change?: Readonly<Record<string, unknown>>;
  /** A second key of the same key id. */
  readonly twin?: keyof typeof MATERIAL;
  /** How many more keys there are. */
  readonly fill?: number;
  /** How many bytes the document is made longer by. */
  readonly padding?: number;
  /** The whole document instead. */
  readonly document?: unknown;
  /** Whether there is no good key beside it. */
  readonly alone?: boolean;
  /** Whether the good key beside it goes on working; it does unless the whole set is refused. */
  readonly good?: boolean;
  readonly expect: "accepted" | "refused" | "unavailable";
}

const ROWS = rows as unknown as readonly Row[];
const MATERIAL = {
  rsa: newKey("k", "RS256"),
  ec: newKey("k", "ES256"),
  p384: newKey("k", "ES384"),
  weak: { kid: "k", algorithm: "RS256", ...generateKeyPairSync("rsa", { modulusLength: 1024 }) } as IssuerKey,
};
const GOOD = newKey("good", "ES256");
const FILLER = publishedJwk(newKey("filler", "ES256"));

function keySet(row: Row): unknown {
  if (row.document !== undefined) return row.document;
  const jwk = { ...publishedJwk(MATERIAL[row.key]), ...row.change } as Readonly<Record<string, unknown>>;
  const kept: unknown = Object.fromEntries(Object.entries(jwk).filter(([, value]) => value !== null));
  const twin = row.twin === undefined ? [] : [publishedJwk(MATERIAL[row.twin])];
  const filler = Array.from({ length: row.fill ?? 0 }, (_, index) => ({ ...FILLER, kid: `filler-${index}` }));
  const good = row.alone === true ? [] : [publishedJwk(GOOD)];
  return { keys: [kept, ...twin, ...filler, ...good], padding: "x".repeat(row.padding ?? 0) };
}

/** A policy with one issuer, and one consumer, for each row. */
function policy(): unknown {
  const document = policyDocument();
  const model = (document["issuers"] as readonly Record<string, unknown>[]).find(({ name }) => name === "machines");
  const issuers = ROWS.map((_, index) => ({
    ...model,
    name: `row-${index}`,
    issuer: `https://row-${index}.idp.example`,
    algorithms: ["RS256", "ES256"],
  }));
  const consumers = ROWS.map((_, index): [string, object] => [
    `client-${index}`,
    { name: `client-${index}`, issuer: `row-${index}`, consumer_key: `client-${index}`, products: ["orders"] },
  ]);
  return { ...document, issuers, consumers: Object.fromEntries(consumers) };
}

/** A good token of a row's issuer, by that key. */
function tokenOf(index: number, key: IssuerKey): string {
  const maker = new TokenMaker({ ...new TokenMaker().keys, machines: [key] });
  return maker.make({ issuer: "machines", claims: { iss: `https://row-${index}.idp.example`, client_id: `client-${index}` } });
}

describe("F12: a token by a key of a set with", () => {
  let edge: Edge;
  beforeAll(async () => {
    edge = await Edge.start({ policy: policy() });
    for (const [index, row] of ROWS.entries()) {
      const host = `row-${index}.idp.example`;
      edge.internet.on(`${host}/.well-known/openid-configuration`, answers({ issuer: `https://${host}`, jwks_uri: `https://${host}/keys` }));
      edge.internet.on(`${host}/keys`, answers(keySet(row)));
    }
  });
  afterAll(() => edge.stop());

  test.each(ROWS.map((row, index) => ({ ...row, index })))("$name is $expect", async ({ index, key, good, expect: expected }) => {
    const answer = await edge.sendWithToken({}, tokenOf(index, MATERIAL[key]));
    if (expected === "accepted") expect(answer.status, answer.body).toBe(200);
    if (expected === "refused") expectProblem(answer, 401, "invalid-token", "not issued for this API");
    if (expected === "unavailable") expectProblem(answer, 503, "keys-unavailable");
    if (good !== false) expect((await edge.sendWithToken({}, tokenOf(index, GOOD))).status).toBe(200);
  });
});
