// Which rows of the token list each rival fails: node bench/strictness/run.mjs [--json]; see ../README.md.
//
// The rows, the tokens made from them and the issuers' keys are those of the Worker's own front-door tests. Each rival
// runs in workerd, once for each issuer, configured with that issuer's identifier, audience, algorithms and key set.
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";

const RIVALS = ["hono", "jose", "worker_jwt"];
const NAMES = { hono: "hono jwk", jose: "jose", worker_jwt: "worker-jwt" };
const here = new URL(".", import.meta.url);
const worker = new URL("../../worker/", here);
const require = createRequire(new URL("package.json", worker));
const { build } = require("esbuild");
const workerd = require("workerd").default;

const readJson = (path) => JSON.parse(readFileSync(new URL(path, worker), "utf8"));

/** The key set of each issuer, where the stubs of the tests publish it. */
const KEYS = {
  workforce: "https://acme.okta.example/oauth2/default/v1/keys",
  partners: "https://www.googleapis.example/oauth2/v3/certs",
  machines: "https://idp.machines.example/keys",
  directory: "https://login.microsoftonline.example/6f1d/v2.0/keys",
  customers: "https://acme.auth0.example/keys",
  exotic: "https://idp.exotic.example/keys",
};

async function bundle(entry, outfile, platform) {
  const nodePaths = [fileURLToPath(new URL("node_modules", worker))];
  const conditions = platform === "node" ? ["node"] : ["workerd", "worker", "browser"];
  const external = ["./facts.json"];
  // Packages in CommonJS ask for Node's own modules.
  const js = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
  const banner = platform === "node" ? { js } : {};
  const shared = { banner, bundle: true, format: "esm", target: "es2024", nodePaths, external, logLevel: "warning" };
  await build({ ...shared, ...entry, outfile, platform, conditions, mainFields: ["module", "main"] });
}

const issuerOf = (row) => row.make.issuer ?? "workforce";

/** What no HTTP client sends. */
const NOT_A_HEADER_VALUE = /[\0\r\n\x7f]/;

/** The rows that say of a token itself whether it is taken; roles, products and headers are no library's business. */
function tokenRows() {
  const isPlain = (row) => row.authorization === undefined && row.headers === undefined && row.path === undefined;
  const isDecided = ({ expect }) => expect.status === 200 || expect.status === 401;
  const isSendable = ({ make }) => !(make.mangle ?? []).some(({ insert = "" }) => NOT_A_HEADER_VALUE.test(insert));
  const rows = readJson("test/data/tokens.json");
  return rows.filter((row) => isPlain(row) && isDecided(row) && isSendable(row) && issuerOf(row) in KEYS);
}

function config(issuers, internet) {
  const names = RIVALS.flatMap((rival) => issuers.map(({ name }) => [rival, name]));
  const services = names.map(
    ([rival, name]) => `(name = "${rival}-${name}", worker = (
      modules = [(name = "index.js", esModule = embed "${rival}.js"), (name = "facts.json", json = embed "${name}.json")],
      compatibilityDate = "2026-07-01", globalOutbound = "internet"))`,
  );
  const sockets = names.map(
    ([rival, name]) => `(name = "${rival}-${name}", address = "127.0.0.1:0", http = (), service = "${rival}-${name}")`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "internet", external = (address = "${internet}", http = ())), ${services.join(",\n")}],
  sockets = [${sockets.join(",\n")}],
);`;
}

/** Starts workerd and gives its process and its ports, which it tells once it listens. */
async function start(folder, count) {
  const running = spawn(workerd, ["serve", "config.capnp", "--control-fd=3"], { cwd: folder, stdio: ["ignore", "ignore", "inherit", "pipe"] });
  const ports = new Map();
  for await (const line of createInterface({ input: running.stdio[3] })) {
    const { socket, port } = JSON.parse(line);
    ports.set(socket, port);
    if (ports.size === count) return { running, ports };
  }
  throw new Error("workerd did not start");
}

function send(port, token) {
  // Node's client sends header values as Latin-1, so that bytes outside ASCII arrive.
  const authorization = Buffer.from(`Bearer ${token}`).toString("latin1");
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: "127.0.0.1", port, path: "/orders", headers: { host: "api.acme.example", authorization } }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode));
    });
    sent.on("error", reject);
    sent.end();
  });
}

/** How a rival's answer differs from the row's; null where it does not. */
function failure(expected, status) {
  if (status !== 200 && status !== 401) return `answers ${status}`;
  if (status === expected) return null;
  return status === 200 ? "takes it" : "refuses it";
}

function report(rows, failures) {
  const failed = rows.filter((row) => RIVALS.some((rival) => failures.get(row)[rival] !== null));
  const width = Math.max(...failed.map(({ case: group, name }) => `${group}: ${name}`.length));
  const line = (first, cells) => console.log(`${first.padEnd(width)}  ${cells.map((cell) => cell.padEnd(12)).join("  ")}`);
  console.log(`Of ${rows.length} rows that say whether a token is taken, those that a rival fails:\n`);
  line("row", RIVALS.map((rival) => NAMES[rival]));
  for (const row of failed) line(`${row.case}: ${row.name}`, RIVALS.map((rival) => failures.get(row)[rival] ?? "-"));
  const count = (rival) => rows.filter((row) => failures.get(row)[rival] !== null).length;
  line("\nrows failed", RIVALS.map((rival) => `${count(rival)}`));
}

const folder = mkdtempSync(join(tmpdir(), "strictness-"));
let ending = async () => undefined;
try {
  const support = `export { TokenMaker } from "./test/support/tokens"; export { Internet } from "./test/support/internet";`;
  await bundle({ stdin: { contents: support, resolveDir: fileURLToPath(worker), loader: "ts" } }, join(folder, "support.mjs"), "node");
  const { TokenMaker, Internet } = await import(pathToFileURL(join(folder, "support.mjs")).href);
  for (const rival of RIVALS) {
    await bundle({ entryPoints: [fileURLToPath(new URL(`rivals/${rival}.js`, here))] }, join(folder, `${rival}.js`), "neutral");
  }
  const issuers = readJson("test/data/policy.json").issuers.filter(({ name }) => name in KEYS);
  for (const { name, issuer, audience, algorithms } of issuers) {
    writeFileSync(join(folder, `${name}.json`), JSON.stringify({ issuer, audience, algorithms, keys: KEYS[name] }));
  }
  const maker = new TokenMaker();
  const internet = await Internet.start(maker);
  writeFileSync(join(folder, "config.capnp"), config(issuers, internet.address));
  const { running, ports } = await start(folder, RIVALS.length * issuers.length);
  ending = async () => {
    running.kill("SIGTERM");
    await internet.close();
  };
  const rows = tokenRows();
  const failures = new Map();
  for (const row of rows) {
    const token = maker.make(row.make);
    const found = {};
    for (const rival of RIVALS) {
      const status = await send(ports.get(`${rival}-${issuerOf(row)}`), token).catch(() => 0);
      found[rival] = failure(row.expect.status, status);
    }
    failures.set(row, found);
  }
  const document = rows.map((row) => ({ case: row.case, name: row.name, ...failures.get(row) }));
  if (process.argv.includes("--json")) console.log(JSON.stringify(document, null, 1));
  else report(rows, failures);
} finally {
  await ending();
  rmSync(folder, { recursive: true, force: true });
}
