import { logEvent } from "../audit/event_log";
import { type AuditLine } from "../audit/line";
import { HINT_DEADLINE_MS, MAX_HINT_APPLICATIONS, MAX_HINT_TOKENS } from "../constants";
import { type HintPolicy } from "../policy/table";
import { BoundedMap } from "../support/bounded_map";
import { nowSeconds } from "../support/clock";
import { LATE, within } from "../support/deadline";
import { type KeepAlive } from "../support/single_flight";
import { type Hint, HINT_SCHEMA, LABELS, readHint } from "./answer";
import { type Features, featuresOf } from "./features";

/** The Workers AI binding, as far as it is used. */
export interface Ai {
  run(model: string, inputs: object): Promise<unknown>;
}

const TASK =
  `You label one request to an API gateway, given as JSON: what it was for, how it was decided, and how many requests of ` +
  `its application were seen and refused in this minute. Answer with a label (${LABELS.join(", ")}) and a score from 0 to 1.`;

/**
 * Asks a model what it thinks of requests, behind their backs: the answer has gone, the audit line is written, and no
 * decision is ever made by it. What comes of it is an event of its own with the request's trace id.
 */
export class Hints {
  readonly #ai: Ai;
  readonly #policy: HintPolicy;
  #minute = 0;
  #asked = 0;
  #failed = 0;
  #counts = new BoundedMap<{ seen: number; refused: number }>(MAX_HINT_APPLICATIONS);

  constructor(ai: Ai, policy: HintPolicy) {
    this.#ai = ai;
    this.#policy = policy;
  }

  /** Counts a request and asks about it, unless enough was asked in this minute. Never throws, never waits. */
  consider(line: AuditLine, keepAlive: KeepAlive): void {
    this.#turn(Math.floor(nowSeconds() / 60));
    const counts = this.#counts.get(line.client_id ?? "") ?? { seen: 0, refused: 0 };
    counts.seen += 1;
    if (line.decision !== "allow") counts.refused += 1;
    this.#counts.set(line.client_id ?? "", counts);
    if (this.#asked >= this.#policy.per_minute) return;
    this.#asked += 1;
    keepAlive(this.#tell(line.trace_id, featuresOf(line, counts.seen, counts.refused)));
  }

  #turn(minute: number): void {
    if (minute === this.#minute) return;
    this.#minute = minute;
    this.#asked = 0;
    this.#counts = new BoundedMap(MAX_HINT_APPLICATIONS);
  }

  async #tell(traceId: string, features: Features): Promise<void> {
    const hint = await this.#ask(features);
    if (typeof hint !== "string") {
      logEvent({ event: "hint", trace_id: traceId, ...hint });
      return;
    }
    this.#failed += 1;
    logEvent({ event: "hint-failed", trace_id: traceId, cause: hint, failed: this.#failed });
  }

  async #ask(features: Features): Promise<Hint | "late" | "error" | "not-a-hint"> {
    try {
      const inputs = {
        messages: [
          { role: "system", content: TASK },
          { role: "user", content: JSON.stringify(features) },
        ],
        response_format: { type: "json_schema", json_schema: HINT_SCHEMA },
        max_tokens: MAX_HINT_TOKENS,
      };
      const answer = await within(this.#ai.run(this.#policy.model, inputs), HINT_DEADLINE_MS);
      return answer === LATE ? "late" : (readHint(answer) ?? "not-a-hint");
    } catch {
      return "error";
    }
  }
}
