import { REPLAY_DEADLINE_MS } from "../constants";
import { LATE, within } from "../support/deadline";

/** Where used proofs are remembered: a Durable Object namespace of `ReplayGuard`, one object for each key. */
export interface ReplayNamespace<Id = unknown> {
  idFromName(name: string): Id;
  get(id: Id): { remember(id: string, until: number): Promise<boolean> };
}

/** Whether a proof is used for the first time; `unavailable` where that cannot be told, and it must not be taken. */
export async function firstUse(
  guards: ReplayNamespace,
  keyThumbprint: string,
  proof: { readonly id: string; readonly expires: number },
): Promise<boolean | "unavailable"> {
  try {
    const guard = guards.get(guards.idFromName(keyThumbprint));
    const isFirst = await within(guard.remember(proof.id, proof.expires), REPLAY_DEADLINE_MS);
    return isFirst === LATE ? "unavailable" : isFirst;
  } catch {
    return "unavailable";
  }
}
