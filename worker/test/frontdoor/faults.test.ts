import { env } from "node:process";
import { afterAll, describe, expect, test } from "vitest";
import sections from "../data/faults.json";
import { Edge, type EdgeOptions } from "../support/edge";
import { EVERYTHING, inShort, type Kind, RIGHT, Traffic } from "../support/fault_traffic";
import { optionsOf, type Place, PLACES, setPlace } from "../support/faults";
import { type KvMode } from "../support/kv";
import { leaks } from "../support/leaks";

/** A fault, and what is promised while it lasts. */
interface Row {
  readonly fault: string;
  readonly promise: string;
  /** What the Worker is started with; nothing of it by default. */
  readonly worker?: { readonly policy?: string } & Omit<EdgeOptions, "policy">;
  readonly steps: readonly Step[];
}

/** Changes of the world, then requests, all at once, and their answers. */
interface Step {
  readonly set?: Readonly<Partial<Record<Place, string>>>;
  readonly kv?: KvMode;
  readonly cache?: "up" | "down" | "slow";
  /** Seconds that pass for everybody. */
  readonly pass?: number;
  /** Seconds that the edge's clock is ahead of the issuers' from now on. */
  readonly ahead?: number;
  /** Has the requests go to this many new isolates. */
  readonly isolates?: number;
  /** The revocation list that is written to KV: its sequence number, and whether "eve" is on it. */
  readonly list?: { readonly seq: number; readonly eve: boolean };
  /** Sends this kind again and again, ten seconds apart, until the answer is right: what takes effect within a bound. */
  readonly until?: Kind;
  /** How many requests of each kind. */
  readonly send?: "everything" | Readonly<Partial<Record<Kind, number>>>;
  /** The right answer where it is another than usual; where it depends on how many came before, how many have which. */
  readonly expect?: Readonly<Partial<Record<Kind, string | Readonly<Record<string, number>>>>>;
  /** How often each place is asked, exactly or (`<=n`) at most. */
  readonly asks?: Readonly<Partial<Record<Place, number | `<=${number}`>>>;
  /** An event that the Worker's log has by then, with these members. */
  readonly event?: Readonly<Record<string, unknown>>;
}

/** How often each step's requests are sent: more than once for a longer proof. */
const ROUNDS = Number(env["FAULT_ROUNDS"] ?? 1);
const SEED = Number(env["FAULT_SEED"] ?? 1);
const UNTIL_STEP_SECONDS = 10;
const UNTIL_TRIES = 12;

/** One row's world while its steps are walked through. */
class Walk {
  readonly wrong: string[] = [];
  readonly #sentTo = new Map<Edge, number>();
  readonly #options: EdgeOptions;
  readonly #rounds: number;
  #isolates: Edge[] = [];
  readonly #ended: Edge[] = [];
  #traffic: Traffic | null = null;
  /** The issuers' time, in seconds since the epoch. It stands still but for what steps say, however long they take. */
  #now = Math.floor(Date.now() / 1000);
  #ahead = 0;

  constructor(row: Row) {
    this.#options = optionsOf(row.worker ?? {});
    this.#rounds = row.steps.every(isRepeatable) ? ROUNDS : 1;
  }

  async start(): Promise<void> {
    const edge = await Edge.start(this.#options);
    this.#isolates = [edge];
    this.#traffic = new Traffic(edge);
    await this.#setClocks();
    setPlace(edge, "introspection", "up");
    setPlace(edge, "apigee", "up");
  }

  async end(): Promise<void> {
    const [world, ...others] = this.#isolates;
    await Promise.all(others.map((edge) => edge.stop({ keepWorld: true })));
    await world?.stop();
  }

  async take(step: Step): Promise<void> {
    await this.#change(step);
    const before = this.#isolate.internet.calls.length;
    if (step.until !== undefined) await this.#waitUntilRight(step.until, step);
    const mix = step.send === "everything" ? EVERYTHING : (step.send ?? {});
    await this.#round(mix, step, 0);
    for (const [place, asked] of Object.entries(step.asks ?? {})) this.#checkAsked(place as Place, asked, before);
    for (let round = 1; round < this.#rounds; round++) await this.#round(mix, step, round);
    if (step.event !== undefined) expect(await this.#isolate.event(String(step.event["event"]))).toMatchObject(step.event);
  }

  /** What is to hold of every row in the end: each request was decided once, and no token was told. */
  async check(): Promise<void> {
    const every = [...this.#ended, ...this.#isolates];
    await this.#audited();
    expect(every.map((edge) => edge.audit.length)).toEqual(every.map((edge) => this.#sentTo.get(edge) ?? 0));
    expect(every.flatMap((edge) => leaks(edge.maker.made, edge.told()))).toEqual([]);
    expect(this.#isolate.internet.to("evil.example")).toEqual([]);
  }

  /** How many requests were sent. */
  get sent(): number {
    return [...this.#sentTo.values()].reduce((sum, sent) => sum + sent, 0);
  }

  get #isolate(): Edge {
    const [edge] = this.#isolates;
    if (edge === undefined) throw new Error("not started");
    return edge;
  }

  async #change(step: Step): Promise<void> {
    for (const [place, behaviour] of Object.entries(step.set ?? {})) setPlace(this.#isolate, place as Place, behaviour);
    if (step.kv !== undefined) this.#isolate.kv.mode = step.kv;
    if (step.cache !== undefined) this.#isolate.cache.mode = step.cache;
    if (step.list !== undefined) {
      const entry = { issuer: "workforce", by: "subject", value: "eve@acme.example", until: 4_102_444_800 };
      const value = JSON.stringify({ seq: step.list.seq, entries: step.list.eve ? [entry] : [] });
      this.#isolate.kv.entries.set("revocations.v1", { value, ttl: 0 });
    }
    if (step.isolates !== undefined) await this.#restart(step.isolates);
    this.#now += step.pass ?? 0;
    this.#ahead = step.ahead ?? this.#ahead;
    await this.#setClocks();
  }

  async #restart(isolates: number): Promise<void> {
    const old = this.#isolates;
    const world = this.#isolate;
    await this.#audited();
    await Promise.all(old.map((edge) => edge.stop({ keepWorld: true })));
    this.#ended.push(...old);
    this.#isolates = await Promise.all(Array.from({ length: isolates }, () => Edge.start(this.#options, world)));
  }

  /** Waits until each request has its audit line, which may come later than its answer. */
  async #audited(): Promise<void> {
    for (const edge of this.#isolates) await edge.audited(this.#sentTo.get(edge) ?? 0);
  }

  async #setClocks(): Promise<void> {
    await Promise.all(this.#isolates.map((edge) => edge.stopClock(this.#now + this.#ahead)));
  }

  async #waitUntilRight(kind: Kind, step: Step): Promise<void> {
    for (let tries = 1; ; tries++) {
      const got = await this.#send(kind, tries);
      if (got === (step.expect?.[kind] ?? RIGHT[kind])) return;
      if (tries === UNTIL_TRIES) throw new Error(`${kind} is still ${got} after ${tries * UNTIL_STEP_SECONDS} s`);
      this.#now += UNTIL_STEP_SECONDS;
      await this.#setClocks();
    }
  }

  async #round(mix: Readonly<Partial<Record<Kind, number>>>, step: Step, round: number): Promise<void> {
    const kinds = Object.entries(mix).flatMap(([kind, count]) => Array.from({ length: count }, () => kind as Kind));
    const shuffled = shuffle(kinds, SEED + round);
    const got = await Promise.all(shuffled.map((kind, at) => this.#send(kind, at)));
    for (const kind of new Set(shuffled)) {
      this.#judge(kind, got.filter((_, at) => shuffled[at] === kind), step.expect?.[kind] ?? RIGHT[kind]);
    }
  }

  #judge(kind: Kind, got: readonly string[], right: string | Readonly<Record<string, number>>): void {
    if (typeof right !== "string") {
      expect(tally(got)).toEqual(right);
      return;
    }
    this.wrong.push(...got.filter((answer) => answer !== right).map((answer) => `${kind}: ${answer}, not ${right}`));
  }

  async #send(kind: Kind, at: number): Promise<string> {
    const edge = this.#isolates[at % this.#isolates.length] ?? this.#isolate;
    this.#sentTo.set(edge, (this.#sentTo.get(edge) ?? 0) + 1);
    const request = this.#traffic?.request(kind, this.#now) ?? {};
    return inShort(await edge.send(request).catch(() => null));
  }

  #checkAsked(place: Place, asked: number | string, before: number): void {
    const [host = "", ...path] = PLACES[place].split("/");
    const calls = this.#isolate.internet.calls.slice(before).filter((call) => call.host === host && call.path.startsWith(`/${path.join("/")}`));
    if (typeof asked === "number") expect(calls.length, place).toBe(asked);
    else expect(calls.length, place).toBeLessThanOrEqual(Number(asked.slice(2)));
  }
}

/** Whether a step's requests may be sent again: not where the first ones have other answers than the next. */
function isRepeatable({ set, expect: answers }: Step): boolean {
  const isCounted = Object.values(answers ?? {}).some((right) => typeof right !== "string");
  return !isCounted && !/once|first/.test(set?.apigee ?? "");
}

function tally(answers: readonly string[]): Readonly<Record<string, number>> {
  const counted: Record<string, number> = {};
  for (const answer of answers) counted[answer] = (counted[answer] ?? 0) + 1;
  return counted;
}

/** In an order that the seed decides (Fisher and Yates, by a linear congruential generator). */
function shuffle<Value>(values: readonly Value[], seed: number): readonly Value[] {
  const shuffled = [...values];
  let state = seed >>> 0;
  for (let last = shuffled.length - 1; last > 0; last--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const other = state % (last + 1);
    [shuffled[last], shuffled[other]] = [shuffled[other] as Value, shuffled[last] as Value];
  }
  return shuffled;
}

const counts: { readonly section: string; readonly sent: number; readonly wrong: number }[] = [];

describe.concurrent.each(Object.entries(sections as unknown as Readonly<Record<string, readonly Row[]>>))("%s", (section, rows) => {
  test.each(rows)("$fault: $promise", { timeout: 60_000 }, async (row) => {
    const walk = new Walk(row);
    await walk.start();
    try {
      for (const step of row.steps) await walk.take(step);
      expect(walk.wrong).toEqual([]);
      await walk.check();
    } finally {
      counts.push({ section, sent: walk.sent, wrong: walk.wrong.length });
      await walk.end();
    }
  });
});

afterAll(() => {
  const of = (name: "sent" | "wrong"): number => counts.reduce((sum, count) => sum + count[name], 0);
  // eslint-disable-next-line no-console -- the figures are what this is run for
  console.log(`Faults: ${counts.length}; requests while they lasted: ${of("sent")}; wrong answers: ${of("wrong")}; seed: ${SEED}`);
});
