import { expect, test } from "vitest";
import { type Caller } from "../../src/claims/caller";
import { Reuse } from "../../src/mint/reuse";

const CALLER = { issuer: "workforce", subject: "ada" } as unknown as Caller;
const MINTED = { token: "t", txn: "x", mintedAt: 1_000 };

test.each([
  ["at once", 30, 1_000, true],
  ["within the time", 30, 1_029, true],
  ["when the time is over", 30, 1_030, false],
  ["by a clock that went back", 30, 999, false],
  ["where the contract does not allow it", 0, 1_000, false],
])("an internal token is used again %s: %d s, at %d: %s", (_name, seconds, now, isUsed) => {
  const reuse = new Reuse(seconds);
  reuse.remember(CALLER, "list-orders", MINTED);
  expect(reuse.recall(CALLER, "list-orders", now)).toBe(isUsed ? MINTED : null);
  expect(reuse.recall(CALLER, "get-order", now)).toBeNull();
  expect(reuse.recall({ ...CALLER }, "list-orders", now)).toBeNull();
});
