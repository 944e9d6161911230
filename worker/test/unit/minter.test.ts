import { decodeProtectedHeader, importJWK, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { Minter } from "../../src/mint/minter";
import { decodeRing, type RingAlgorithm } from "../../src/mint/ring";
import { newRing } from "../support/edge";

const NOW = 1_800_000_000;
const INTERNAL = { issuer: "https://api.acme.example", audience: "https://apigee.acme.example/acme-store", life_seconds: 60, reuse_seconds: 0 };
const TRANSACTION = {
  txn: "6c2f3a58-0000-4000-8000-000000000001",
  subject: "somebody",
  clientId: "0oa1storefront",
  roles: ["reader"],
  product: "orders",
  operation: "list-orders",
  issuer: "workforce",
  subjectHash: "0123456789abcdef",
};

describe("an internal token", () => {
  test.each<RingAlgorithm>(["ES256", "ES384", "RS256", "PS256"])("is signed by the algorithm of the key that signs: %s", async (alg) => {
    const { secret, publicJwk } = newRing(alg);
    const ring = decodeRing(JSON.parse(secret));
    const minter = new Minter({ ring, internal: INTERNAL, environment: "test", contract: "0123456789ab" });
    const token = await minter.mint(TRANSACTION, NOW);
    expect(decodeProtectedHeader(token)).toEqual({ alg, kid: publicJwk.kid, typ: "txntoken+jwt" });
    const key = await importJWK(publicJwk, alg);
    const { payload } = await jwtVerify(token, key, { algorithms: [alg], currentDate: new Date(NOW * 1000) });
    expect(payload).toMatchObject({ sub: "somebody", exp: NOW + 60, tctx: { ring_seq: 7 } });
  });

  test("is signed by the new key's algorithm while keys of the old one are still trusted", async () => {
    const [old, current] = [newRing("ES256"), newRing("PS256")];
    const document = JSON.parse(current.secret) as { keys: unknown[] };
    const ring = decodeRing({ ...document, keys: [old.publicJwk, ...document.keys] });
    const minter = new Minter({ ring, internal: INTERNAL, environment: "test", contract: "0123456789ab" });
    expect(decodeProtectedHeader(await minter.mint(TRANSACTION, NOW)).alg).toBe("PS256");
    expect(ring.keys.map(({ alg }) => alg)).toEqual(["ES256", "PS256"]);
  });

  test.each(["d", "dp", "dq", "qi"])("may be signed by an RSA key whose %s has fewer bytes than most", (name) => {
    const document = JSON.parse(newRing("RS256").secret) as { signing: Record<string, string> };
    const signing = { ...document.signing, [name]: (document.signing[name] ?? "").slice(0, 168) };
    expect(() => decodeRing({ ...document, signing })).not.toThrow();
  });
});
