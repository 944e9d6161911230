// The load generator, a process of its own: reads one batch from each line of standard input, writes one result for it.
//
//   {"port", "host", "path", "tokens", "requests", "connections"}          as fast as the answers come
//   {..., "rate"}                                                          so many requests each second, come what may
//
// Result: {"seconds", "cpu", "statuses": {"200": n}, "latencies": [p50, p99] in milliseconds}.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// The packages of JavaScript are installed in one place, the Worker's.
const { Client } = createRequire(new URL("../worker/package.json", import.meta.url))("undici");

const BATCH_MS = 60_000;

function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

async function run({ port, host, path, tokens, requests, connections, rate }) {
  const clients = Array.from({ length: connections }, () => new Client(`http://127.0.0.1:${port}`, { pipelining: 1 }));
  const latencies = [];
  const statuses = {};
  let sent = 0;

  const one = (client, from) =>
    new Promise((resolve, reject) => {
      const token = tokens[sent++ % tokens.length];
      const headers = token === null ? { host } : { host, authorization: `Bearer ${token}` };
      client.dispatch(
        { method: "GET", path, headers },
        {
          onConnect() {},
          onHeaders(status) {
            statuses[status] = (statuses[status] ?? 0) + 1;
            return true;
          },
          onData: () => true,
          onComplete() {
            latencies.push(performance.now() - from);
            resolve();
          },
          onError: reject,
        },
      );
    });

  const closed = async (client) => {
    while (sent < requests) await one(client, performance.now());
  };

  /** Requests are due by the clock, whether or not earlier ones are answered; waiting for a connection counts. */
  const open = async () => {
    const startedAt = performance.now();
    const pending = [];
    for (let due = 0; due < requests; ) {
      const until = Math.min(requests, Math.floor(((performance.now() - startedAt) / 1000) * rate) + 1);
      for (; due < until; due++) pending.push(one(clients[due % clients.length], startedAt + (due / rate) * 1000));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(pending);
  };

  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const timer = setTimeout(() => process.exit(3), BATCH_MS);
  await (rate === undefined ? Promise.all(clients.map(closed)) : open());
  clearTimeout(timer);
  const seconds = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  await Promise.all(clients.map((client) => client.close()));
  latencies.sort((one, other) => one - other);
  return { seconds, cpu: (user + system) / 1e6, statuses, latencies: [percentile(latencies, 0.5), percentile(latencies, 0.99)] };
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await run(JSON.parse(line))));
}
