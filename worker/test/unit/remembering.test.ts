import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Caller } from "../../src/claims/caller";
import { type VerificationKey } from "../../src/keys/verification_key";
import { UNBOUND } from "../../src/possession/binding";
import { Nonces } from "../../src/possession/nonce";
import { Revocations } from "../../src/revocation/list";
import { type JsonObject } from "../../src/support/json";
import { VerifiedTokens } from "../../src/verified/tokens";

const START = 1_700_000_000;
const CALLER: Caller = {
  issuer: "workforce",
  subject: "ada",
  clientId: "web",
  roles: ["reader"],
  expires: START + 100,
  tokenId: "t1",
  kid: "k1",
  binding: UNBOUND,
};
const KEY = { kid: "k1" } as VerificationKey;
const trusted = (): boolean => true;

function at(seconds: number): void {
  vi.setSystemTime((START + seconds) * 1000);
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
  at(0);
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a verified token is remembered", () => {
  test.each([
    ["until the contract's time is over", 30, 29, true],
    ["no longer than the contract says", 30, 30, false],
    ["until it expires", 300, 99, true],
    ["no longer than it lasts, whatever the contract says", 300, 100, false],
    ["not at all where the contract says so", 0, 0, false],
  ])("%s", (_name, seconds, later, isKnown) => {
    const tokens = new VerifiedTokens(seconds);
    tokens.remember("digest", CALLER, KEY);
    at(later);
    expect(tokens.recall("digest", trusted)?.caller ?? null).toBe(isKnown ? CALLER : null);
  });

  test("while its issuer has the key, and never again after", () => {
    const tokens = new VerifiedTokens(300);
    tokens.remember("digest", CALLER, KEY);
    expect(tokens.recall("digest", (issuer, key) => issuer === "workforce" && key === KEY)?.caller).toBe(CALLER);
    expect(tokens.recall("digest", () => false)).toBeNull();
    expect(tokens.recall("digest", trusted)).toBeNull();
  });
});

describe("the revocation list of an isolate", () => {
  const revoked = (seq: number, ...subjects: string[]): JsonObject => ({
    seq,
    entries: subjects.map((value) => ({ issuer: "workforce", by: "subject", value, until: START + 1_000 })),
  });

  /** A list that KV answers with what it is given, counting the questions. */
  function listed(first: JsonObject | null | undefined): { list: Revocations; kv: { holds: typeof first; asked: number }; refresh: () => Promise<void> } {
    const kv = { holds: first, asked: 0 };
    const read = (): Promise<typeof first> => {
      kv.asked++;
      return Promise.resolve(kv.holds);
    };
    const list = new Revocations({ read, write: () => Promise.resolve() });
    const work: Promise<unknown>[] = [];
    const refresh = async (): Promise<void> => {
      await list.refresh((later) => work.push(later));
      await Promise.all(work);
    };
    return { list, kv, refresh };
  }

  test("is looked at again after ten seconds, and not before", async () => {
    const { list, kv, refresh } = listed(null);
    await refresh();
    kv.holds = revoked(1, "ada");
    at(9);
    await refresh();
    expect([list.covers(CALLER), kv.asked]).toEqual([false, 1]);
    at(10);
    await refresh();
    expect([list.covers(CALLER), kv.asked]).toEqual([true, 2]);
  });

  test("never steps back to an older list", async () => {
    const { list, kv, refresh } = listed(revoked(5, "ada"));
    await refresh();
    for (const older of [revoked(4), null, undefined, revoked(5)]) {
      kv.holds = older;
      at((kv.asked + 1) * 10);
      await refresh();
      expect(list.covers(CALLER)).toBe(true);
    }
    kv.holds = revoked(6);
    at(100);
    await refresh();
    expect(list.covers(CALLER)).toBe(false);
  });

  test("stands while KV does not answer, which is asked once in ten seconds", async () => {
    const { list, kv, refresh } = listed(revoked(1, "ada"));
    await refresh();
    kv.holds = undefined;
    for (const seconds of [500, 501, 505, 509]) {
      at(seconds);
      await refresh();
    }
    expect([list.covers(CALLER), kv.asked]).toEqual([true, 2]);
  });

  test("is waited for by an isolate that slept, and by no other", async () => {
    const { list, kv } = listed(null);
    await list.refresh(() => undefined);
    kv.holds = revoked(1, "ada");
    at(20);
    await list.refresh(() => undefined);
    expect(list.covers(CALLER)).toBe(true);
  });

  test("lets an entry go when it ends", async () => {
    const { list, refresh } = listed(revoked(1, "ada"));
    await refresh();
    at(999);
    expect(list.covers(CALLER)).toBe(true);
    at(1_000);
    expect(list.covers(CALLER)).toBe(false);
  });
});

describe("a DPoP nonce", () => {
  test("is good for two to four minutes, at every isolate that knows the secret", async () => {
    const nonce = await new Nonces("secret").current(START);
    const other = new Nonces("secret");
    expect(await other.isGood(nonce, START)).toBe(true);
    expect(await other.isGood(nonce, START + 120)).toBe(true);
    expect(await other.isGood(nonce, START + 240)).toBe(false);
    expect(await other.isGood(nonce, START - 240)).toBe(false);
  });

  test.each([[undefined], [""], [1], ["made-up"]])("is none where it is %j", async (nonce) => {
    expect(await new Nonces("secret").isGood(nonce, START)).toBe(false);
  });

  test("of another stack is none", async () => {
    const nonce = await new Nonces("secret").current(START);
    expect(await new Nonces("another").isGood(nonce, START)).toBe(false);
  });
});
