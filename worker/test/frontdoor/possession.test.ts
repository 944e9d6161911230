import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import rows from "../data/proofs.json";
import { type ClientAnswer, Edge, policyDocument } from "../support/edge";
import { answers } from "../support/internet";
import { type IssuerKey, newKey } from "../support/keys";
import { leaks } from "../support/leaks";
import { type ProofRecipe, proofOf, thumbprint } from "../support/proofs";
import { type Recipe } from "../support/tokens";

/** A token bound to its sender, and the proof that comes with it (RFC 9449 §4.3, §7; RFC 8705 §3). */
interface Row {
  readonly name: string;
  readonly token?: Recipe;
  readonly scheme?: string;
  readonly path?: string;
  /** The algorithm of the client's key; ES256 if it is not said. */
  readonly key?: string;
  readonly proof?: ProofRecipe & { readonly by?: "stranger"; readonly signer?: "stranger" };
  /** `$PROOF` and `$TOKEN` stand for themselves; null leaves a header out. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly certificate?: keyof typeof CERTIFICATES;
  readonly expect: { readonly status: number; readonly slug?: string; readonly says?: string };
}

const ALGORITHMS = ["ES256", "RS256", "PS256", "ES384", "ES512", "EdDSA", "Ed25519"] as const;
const CLIENT_KEYS = new Map<string, IssuerKey>(ALGORITHMS.map((algorithm) => [algorithm, newKey("client", algorithm)]));
const STRANGER = newKey("stranger", "ES256");

function digest(certificate: string): string {
  return createHash("sha256").update(certificate).digest("hex");
}

/** What Cloudflare tells of a client's certificate. */
const CERTIFICATES = {
  mine: { certPresented: "1", certVerified: "SUCCESS", certRevoked: "0", certFingerprintSHA256: digest("mine") },
  other: { certPresented: "1", certVerified: "SUCCESS", certRevoked: "0", certFingerprintSHA256: digest("other") },
  revoked: { certPresented: "1", certVerified: "FAILED", certRevoked: "1", certFingerprintSHA256: digest("mine") },
};

/** The policy of the tests, with bindings that are checked. */
function policy(changes: Readonly<Record<string, unknown>>): unknown {
  const document = policyDocument();
  const issuers = (document["issuers"] as readonly Record<string, unknown>[]).map((issuer) => ({
    ...issuer,
    sender_constraint: changes[String(issuer["name"])] ?? null,
  }));
  return { ...document, issuers };
}

const CHECKED = policy({
  workforce: { methods: ["dpop", "mtls"], required: false, dpop_nonce: false },
  partners: { methods: ["dpop"], required: true, dpop_nonce: false },
  machines: { methods: ["dpop"], required: false, dpop_nonce: true },
});

function clientKey(algorithm = "ES256"): IssuerKey {
  const key = CLIENT_KEYS.get(algorithm);
  if (key === undefined) throw new Error(`no key for ${algorithm}`);
  return key;
}

/** A token bound to a key; recipes may write `$KEY` and `$CERTIFICATE`. */
function boundToken(edge: Edge, recipe: Recipe = {}, key = clientKey()): string {
  const claims = { cnf: { jkt: "$KEY" }, ...recipe.claims };
  const text = JSON.stringify({ ...recipe, claims })
    .replaceAll("$KEY", thumbprint(key))
    .replaceAll("$CERTIFICATE", createHash("sha256").update("mine").digest("base64url"));
  return edge.maker.make(JSON.parse(text) as Recipe);
}

async function send(edge: Edge, row: Row): Promise<ClientAnswer> {
  const path = row.path ?? "/orders";
  const shown = row.proof?.by === "stranger" ? STRANGER : clientKey(row.key);
  const token = boundToken(edge, row.token, clientKey(row.key));
  const of = { method: "GET", url: `http://api.acme.example${path}`, token, key: shown };
  const proof = proofOf(row.proof?.signer === "stranger" ? { ...of, signer: STRANGER } : of, row.proof);
  edge.maker.made.push(proof);
  const filled = (value: string): string => value.replaceAll("$PROOF", proof).replaceAll("$TOKEN", token);
  const given: NonNullable<Row["headers"]> = { dpop: proof, ...row.headers };
  const headers = Object.entries(given).flatMap(([name, value]) => {
    if (value === null) return [];
    return [[name, typeof value === "string" ? filled(value) : value.map(filled)] as const];
  });
  const certificate = row.certificate === undefined ? {} : { "test-cf": JSON.stringify({ tlsClientAuth: CERTIFICATES[row.certificate] }) };
  const authorization = `${row.scheme ?? "DPoP"} ${token}`;
  return edge.send({ path, headers: { authorization, ...certificate, ...Object.fromEntries(headers) } });
}

describe("a token that is bound to its sender, with", () => {
  let edge: Edge;
  beforeAll(async () => {
    edge = await Edge.start({ policy: CHECKED });
  });
  afterAll(() => edge.stop());

  test.each(rows as unknown as readonly Row[])("$name", async (row) => {
    const answer = await send(edge, row);
    const { status, slug, says } = row.expect;
    expect(answer.status, answer.body).toBe(status);
    const line = await edge.auditLine(answer.headers["x-request-id"]);
    expect(line).toMatchObject({ "http.response.status_code": status, reason: slug ?? "ok" });
    if (slug === undefined) return;
    expect(JSON.parse(answer.body)).toMatchObject({ type: `https://developer.acme.example/problems/${slug}`, status });
    expect(answer.body).toContain(says);
    const challenge = answer.headers["www-authenticate"] ?? "";
    expect(challenge).toMatch(slug === "invalid-token" ? /^Bearer realm="[^"]+", error="invalid_token"/ : /^DPoP realm="[^"]+", error="invalid_dpop_proof"/);
    expect(challenge).toMatch(/algs="[^"]*\bES256\b[^"]*"$/);
  });

  test("neither the proof nor the token gets past the edge", () => {
    const onward = edge.internet.to("apigee.acme.example").flatMap(({ rawHeaders }) => rawHeaders);
    expect(onward.filter(([name]) => name === "dpop" || name === "authorization")).toEqual([]);
    expect(onward.length).toBeGreaterThan(0);
  });

  test("no part of a token or a proof is in a log line, KV, the cache, an answer or a URL", () => {
    expect(leaks(edge.maker.made, edge.told(), ["A".repeat(20)])).toEqual([]);
  });

  test("no credentials at all are told of both schemes", async () => {
    const challenge = (await edge.send()).headers["www-authenticate"];
    expect(challenge).toMatch(/^Bearer realm="https:\/\/api\.acme\.example", DPoP algs="[^"]*ES256[^"]*"$/);
  });
});

describe("a DPoP proof", () => {
  let edge: Edge;
  beforeAll(async () => {
    edge = await Edge.start({ policy: CHECKED });
  });
  afterAll(() => edge.stop());

  function sendProof(token: string, proof: string, world = edge): Promise<ClientAnswer> {
    return world.send({ headers: { authorization: `DPoP ${token}`, dpop: proof } });
  }

  const of = (token: string): Parameters<typeof proofOf>[0] => ({ method: "GET", url: "http://api.acme.example/orders", token, key: clientKey() });

  test("is good once, also where it is sent many times at once", async () => {
    const token = boundToken(edge);
    const proof = proofOf(of(token));
    const statuses = (await Promise.all(Array.from({ length: 20 }, () => sendProof(token, proof)))).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 401)).toHaveLength(19);
    const again = await sendProof(token, proof);
    expect(again.body).toContain("used before");
  });

  test("with an id that another key has used is good", async () => {
    const claims = { jti: "the-same-for-both" };
    const other = clientKey("ES384");
    const tokens = [boundToken(edge), boundToken(edge, {}, other)] as const;
    expect((await sendProof(tokens[0], proofOf(of(tokens[0]), { claims }))).status).toBe(200);
    expect((await sendProof(tokens[1], proofOf({ ...of(tokens[1]), key: other }, { claims }))).status).toBe(200);
  });

  test("that is refused in another respect does not use up its id", async () => {
    const token = boundToken(edge);
    const jti = "kept";
    expect((await sendProof(token, proofOf(of(token), { claims: { jti, htm: "POST" } }))).status).toBe(401);
    expect((await sendProof(token, proofOf(of(token), { claims: { jti } }))).status).toBe(200);
  });

  test("holds the gateway's nonce where the contract wants it", async () => {
    const token = boundToken(edge, { issuer: "machines" });
    const refused = await sendProof(token, proofOf(of(token)));
    const nonce = refused.headers["dpop-nonce"];
    expect([refused.status, JSON.parse(refused.body)]).toMatchObject([401, { type: "https://developer.acme.example/problems/dpop-nonce-required" }]);
    expect(refused.headers["www-authenticate"]).toMatch(/^DPoP realm="[^"]+", error="use_dpop_nonce"/);
    expect((await sendProof(token, proofOf(of(token), { claims: { nonce } }))).status).toBe(200);
    const madeUp = await sendProof(token, proofOf(of(token), { claims: { nonce: "made-up" } }));
    expect(madeUp.headers["dpop-nonce"]).toBe(nonce);
    // Another isolate of the same stack makes the same nonces.
    const fresh = await Edge.start({ policy: CHECKED }, edge);
    expect((await sendProof(token, proofOf(of(token), { claims: { nonce } }), fresh)).status).toBe(200);
    await fresh.stop({ keepWorld: true });
  });

  test("goes with an opaque token as well", async () => {
    const opaque = "00opaque-and-bound.to~a+key";
    const active = { active: true, token_type: "DPoP", client_id: "0oa1storefront", aud: "api://acme-store", sub: "ada" };
    const exp = Math.floor(Date.now() / 1000) + 600;
    const introspect = "acme.okta.example/oauth2/default/v1/introspect";
    edge.internet.on(introspect, answers({ ...active, exp, groups: ["store-readers"], cnf: { jkt: thumbprint(clientKey()) } }));
    for (let round = 0; round < 2; round++) expect((await sendProof(opaque, proofOf(of(opaque)))).status).toBe(200);
    expect((await edge.sendWithToken({}, opaque)).body).toContain("bound to a key");
  });
});

test("a Worker that takes DPoP and has nowhere to remember proofs does not start", async () => {
  const edge = await Edge.start({ policy: CHECKED, replay: false });
  expect((await edge.sendWithToken()).status).toBe(503);
  expect(await edge.event("start-failed")).toMatchObject({ binding: "REPLAY" });
  await edge.stop();
});
