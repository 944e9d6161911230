import { LATE, within } from "./deadline";

/** Keeps work going after the request that began it is answered or gone, as `ExecutionContext.waitUntil` does. */
export type KeepAlive = (work: Promise<unknown>) => void;

/**
 * Shares one run of some work among all requests of the isolate that want its result at the same time.
 *
 * The work belongs to the request that began it, so it is kept alive when that client hangs up; and each request that
 * waits has a deadline of its own, so that it is not lost with a run that never ends.
 */
export class SingleFlight<Value> {
  readonly #flights = new Map<string, Promise<Value>>();
  readonly #waitMs: number;

  /** @param waitMs - how long a request waits, in milliseconds: longer than the work may take. */
  constructor(waitMs: number) {
    this.#waitMs = waitMs;
  }

  /** Joins the run of that name, or begins it. {@link LATE} where it takes too long; the next request then begins anew. */
  async run(name: string, work: () => Promise<Value>, keepAlive: KeepAlive): Promise<Value | typeof LATE> {
    const flight = this.#flights.get(name) ?? this.#begin(name, work, keepAlive);
    const result = await within(flight, this.#waitMs);
    if (result === LATE && this.#flights.get(name) === flight) this.#flights.delete(name);
    return result;
  }

  /** Whether the run of that name is under way. */
  isRunning(name: string): boolean {
    return this.#flights.has(name);
  }

  #begin(name: string, work: () => Promise<Value>, keepAlive: KeepAlive): Promise<Value> {
    const flight = work().finally(() => {
      if (this.#flights.get(name) === flight) this.#flights.delete(name);
    });
    this.#flights.set(name, flight);
    keepAlive(flight.catch(() => undefined));
    return flight;
  }
}
