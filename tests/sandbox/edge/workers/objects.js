import { DurableObject } from "cloudflare:workers";

export class Counter extends DurableObject {
  count(key) {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS counts (key TEXT PRIMARY KEY, n INTEGER)");
    sql.exec("INSERT INTO counts VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1", key);
    return sql.exec("SELECT n FROM counts WHERE key = ?", key).one().n;
  }
}

export default {
  async fetch(request, env) {
    const name = new URL(request.url).pathname;
    return new Response(String(await env.COUNTER.get(env.COUNTER.idFromName(name)).count("a")));
  },
};
