import { describe, expect, test } from "vitest";
import { BoundedMap } from "../../src/support/bounded_map";
import { LATE } from "../../src/support/deadline";
import { SingleFlight } from "../../src/support/single_flight";

const ignore = (): void => undefined;

describe("a bounded map", () => {
  test("gives up the entry that was used longest ago", () => {
    const map = new BoundedMap<number>(2);
    map.set("a", 1);
    map.set("b", 2);
    map.get("a");
    map.set("c", 3);
    expect([map.get("a"), map.get("b"), map.get("c"), map.size]).toEqual([1, undefined, 3, 2]);
  });
});

describe("a single flight", () => {
  test("runs once for all who ask meanwhile, and again for who asks later", async () => {
    let runs = 0;
    const flights = new SingleFlight<number>(1_000);
    const work = (): Promise<number> => Promise.resolve(++runs);
    expect(await Promise.all([1, 2, 3].map(() => flights.run("a", work, ignore)))).toEqual([1, 1, 1]);
    expect(await flights.run("a", work, ignore)).toBe(2);
    expect(await flights.run("b", work, ignore)).toBe(3);
  });

  test("that never lands is given up, and does not stop the next", async () => {
    const flights = new SingleFlight<number>(5);
    expect(await flights.run("a", () => new Promise<number>(ignore), ignore)).toBe(LATE);
    expect(await flights.run("a", () => Promise.resolve(2), ignore)).toBe(2);
  });

  test("that fails fails for all, and is forgotten", async () => {
    const flights = new SingleFlight<number>(1_000);
    const failing = (): Promise<number> => Promise.reject(new Error("no"));
    const both = await Promise.allSettled([flights.run("a", failing, ignore), flights.run("a", failing, ignore)]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(await flights.run("a", () => Promise.resolve(1), ignore)).toBe(1);
  });
});
