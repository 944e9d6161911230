import { DurableObject } from "cloudflare:workers";
import { nowSeconds } from "../support/clock";

/**
 * Remembers the DPoP proofs of one key, so that each is used once (RFC 9449 §11.1). An object of this class exists once
 * in the world and does one thing at a time, which KV, a minute behind, cannot promise; and what it has said is on disk
 * before the answer leaves it.
 */
export class ReplayGuard extends DurableObject {
  /** Notes a proof until that time, in seconds since the epoch. False where it was there already. */
  async remember(id: string, until: number): Promise<boolean> {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS proofs (id TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID");
    const isFirst = sql.exec("INSERT OR IGNORE INTO proofs VALUES (?, ?)", id, until).rowsWritten > 0;
    if ((await this.ctx.storage.getAlarm()) === null) await this.#forgetAfter(until);
    return isFirst;
  }

  /** Forgets what is over, and the whole object where nothing is left. */
  override async alarm(): Promise<void> {
    const { sql } = this.ctx.storage;
    sql.exec("DELETE FROM proofs WHERE until <= ?", nowSeconds());
    const { last } = sql.exec<{ last: number | null }>("SELECT max(until) AS last FROM proofs").one();
    if (last === null) await this.ctx.storage.deleteAll();
    else await this.#forgetAfter(last);
  }

  async #forgetAfter(until: number): Promise<void> {
    await this.ctx.storage.setAlarm((until + 1) * 1000);
  }
}
