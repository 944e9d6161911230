import { MAX_HINT_CHARACTERS } from "../constants";
import { isJsonObject, member, parseJsonObject } from "../support/json";

/** What a request may look like. */
export const LABELS = ["ordinary", "probing", "overuse", "misconfigured"] as const;

/** What a model thinks of a request. It decides nothing. */
export interface Hint {
  readonly label: (typeof LABELS)[number];
  /** How sure the model is: 0 to 1. */
  readonly score: number;
}

/** The schema that the model is to answer by (JSON mode of Workers AI). */
export const HINT_SCHEMA = {
  type: "object",
  properties: { label: { type: "string", enum: LABELS }, score: { type: "number", minimum: 0, maximum: 1 } },
  required: ["label", "score"],
  additionalProperties: false,
} as const;

/** Reads a model's answer, which may be anything; null where it is no hint, exactly. */
export function readHint(answer: unknown): Hint | null {
  const response = isJsonObject(answer) ? member(answer, "response") : undefined;
  const written = typeof response === "string" && response.length <= MAX_HINT_CHARACTERS ? parseJsonObject(response) : response;
  if (!isJsonObject(written) || Object.keys(written).length !== 2) return null;
  const label = LABELS.find((known) => known === member(written, "label"));
  const score = member(written, "score");
  return label !== undefined && typeof score === "number" && score >= 0 && score <= 1 ? { label, score } : null;
}
