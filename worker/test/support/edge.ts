import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, generateKeyPairSync, type JsonWebKey } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, type ClientRequest as Outgoing, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Readable } from "node:stream";
import { URL } from "node:url";
import { inject } from "vitest";
import workerd from "workerd";
import { WebSocket } from "ws";
import { CacheStub } from "./cache";
import { Internet } from "./internet";
import { KvStub } from "./kv";
import { type RingAlgorithm } from "../../src/mint/ring";
import { TokenMaker } from "./tokens";

/** The policy table that tests run with; a test may change a copy. */
export function policyDocument(): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL("../data/policy.json", import.meta.url), "utf8")) as Record<string, unknown>;
}

/** A request as a client sends it: bytes of the path and header lines are sent as they are. */
export interface ClientRequest {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
}

/** An answer. */
export interface ClientAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The body as UTF-8 text. */
  readonly body: string;
  /** The body as it came. */
  readonly bytes: Buffer;
}

/** A request under way, and the head of its answer. */
export interface Exchange {
  readonly request: Outgoing;
  readonly answered: Promise<IncomingMessage>;
}

/** A line of JSON. */
export type Line = Readonly<Record<string, unknown>>;

/** What a test may set otherwise. */
export interface EdgeOptions {
  readonly policy?: unknown;
  /** The dataset, which works unless told otherwise. */
  readonly analytics?: "up" | "broken" | "none";
  /** How the model answers, where the policy asks one (by default as it should). */
  readonly ai?: keyof typeof MODELS | "none";
  /** What the rate limit of each product allows (by default more than any test sends), or how it fails. */
  readonly limit?: number | "broken" | "late";
  /** Text bindings to replace; null leaves one out. */
  readonly bindings?: Readonly<Record<string, string | null>>;
  /** What KV holds before the isolate starts. */
  readonly kv?: Readonly<Record<string, string>>;
  /** Whether everything outside is reached by TLS, which it does not speak; else by what the Worker thinks is TLS. */
  readonly tls?: boolean;
  /** Whether the Worker is bound to the objects that remember proofs; it is unless told otherwise. */
  readonly replay?: boolean;
}

const REPLAY_BINDING = '(name = "REPLAY", durableObjectNamespace = (className = "ReplayGuard", serviceName = "proofs"))';

/** What is written into the RING secret, and the public half of its one key. */
export interface NewRing {
  readonly secret: string;
  readonly publicJwk: JsonWebKey & { readonly kid: string };
}

/** A ring of one new key, as the RING secret is written. */
export function newRing(algorithm: RingAlgorithm = "ES256"): NewRing {
  const { privateKey, publicKey } = algorithm.startsWith("ES")
    ? generateKeyPairSync("ec", { namedCurve: algorithm === "ES256" ? "P-256" : "P-384" })
    : generateKeyPairSync("rsa", { modulusLength: 2048 });
  const members = publicKey.export({ format: "jwk" });
  // RFC 7638 §3: the required members, sorted, without white space.
  const required = Object.fromEntries(Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1)));
  const kid = createHash("sha256").update(JSON.stringify(required)).digest("base64url");
  const publicJwk = { ...members, kid, alg: algorithm };
  const signing = { ...privateKey.export({ format: "jwk" }), kid, alg: algorithm };
  return { secret: JSON.stringify({ seq: 7, signing, keys: [publicJwk] }), publicJwk };
}

/** The id of the Worker's version in tests. */
export const VERSION = "5f0c7a3e-0000-4000-8000-000000000001";
const VERSION_BINDING = `(name = "VERSION", json = ${JSON.stringify(JSON.stringify({ id: VERSION, tag: "", timestamp: "" }))})`;

const CRON_SHIM = `export default { async fetch(request, env) {
  await env.EDGE.scheduled({ cron: "*/10 * * * *", scheduledTime: new Date() });
  return new Response("done");
} }`;

/** The Worker's module, with a clock that a test can stop at any time it likes. */
const CLOCK_SHIM = `import worker from "index.js";
const now = Date.now.bind(Date);
let stopped = null;
Date.now = () => stopped ?? now();
export default worker;
export const Clock = { async fetch(request) {
  stopped = 1000 * Number(await request.text());
  return new Response("stopped");
} };`;

/** The rate limiting binding, without windows: what a test has counted stays counted. */
const LIMITER = `const counts = new Map();
export default ({ settings: { product, limit } }) => ({
  async limit({ key }) {
    if (limit === "broken") throw new Error("the limiter is down");
    if (limit === "late") return new Promise(() => undefined);
    const name = product + " " + key;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    return { success: counts.get(name) <= limit };
  },
});`;

/** A dataset: each point becomes a line of the error stream. */
const ANALYTICS = `export default ({ settings: { mode } }) => ({
  writeDataPoint(point) {
    if (mode === "broken") throw new Error("the dataset is down");
    console.error(JSON.stringify({ event: "data-point", point }));
  },
});`;

/** How a model may answer, as the body of a function. */
const MODELS = {
  up: 'return { response: { label: "probing", score: 0.75 } };',
  text: `return { response: '{"label":"ordinary","score":1}' };`,
  silent: "return new Promise(() => undefined);",
  broken: 'throw new Error("no capacity");',
  rejects: 'return Promise.reject(new Error("no capacity"));',
  chatty: 'return { response: "Sure! This request looks ordinary to me." };',
  "of a label of its own": 'return { response: { label: "deny", score: 1 } };',
  "of a score out of range": 'return { response: { label: "ordinary", score: 1.5 } };',
  "of a score that is no number": 'return { response: { label: "ordinary", score: NaN } };',
  oversized: 'return { response: JSON.stringify({ label: "ordinary", score: 1 }) + " ".repeat(1e6) };',
  "with more in it": 'return { response: { label: "ordinary", score: 1, because: "x".repeat(1e6) } };',
  nothing: "return undefined;",
} as const;

/** Workers AI: what a model is asked becomes a line of the error stream. */
const AI = `const models = {${Object.entries(MODELS).map(([name, body]) => `${JSON.stringify(name)}() { ${body} }`).join(",")}};
export default ({ settings: { mode } }) => ({
  run(model, inputs) {
    console.error(JSON.stringify({ event: "model-asked", model, inputs }));
    return models[mode]();
  },
});`;

/** The Worker in workerd, with the world around it. */
export class Edge {
  readonly maker = new TokenMaker();
  readonly ring = newRing();
  readonly agent = new Agent({ keepAlive: true });
  /** Lines of standard output: the audit lines. */
  readonly audit: Line[] = [];
  /** Everything that was written, to either stream. */
  readonly written: string[] = [];
  /** Heads and bodies of the answers to `send`. */
  readonly answers: string[] = [];
  #internet: Internet | null = null;
  #kv: KvStub | null = null;
  #cache: CacheStub | null = null;
  #process: ChildProcess | null = null;
  #folder = "";
  readonly #ports = new Map<string, number>();
  /** Wakes each that waits: several may at once. */
  #waiting: (() => void)[] = [];

  /** Starts a fresh isolate; `world` carries issuers, their keys and KV over from an earlier one. */
  static async start(options: EdgeOptions = {}, world?: Edge): Promise<Edge> {
    const edge = new Edge(world);
    edge.#internet ??= await Internet.start(edge.maker);
    edge.#kv ??= await KvStub.start();
    edge.#cache ??= await CacheStub.start();
    for (const [key, value] of Object.entries(options.kv ?? {})) edge.kv.entries.set(key, { value, ttl: 0 });
    await edge.#serve(options);
    return edge;
  }

  private constructor(world?: Edge) {
    if (world === undefined) return;
    this.maker = world.maker;
    this.ring = world.ring;
    this.#internet = world.internet;
    this.#kv = world.kv;
    this.#cache = world.cache;
  }

  get internet(): Internet {
    if (this.#internet === null) throw new Error("not started");
    return this.#internet;
  }

  get kv(): KvStub {
    if (this.#kv === null) throw new Error("not started");
    return this.#kv;
  }

  get cache(): CacheStub {
    if (this.#cache === null) throw new Error("not started");
    return this.#cache;
  }

  /** Sends a request to the front door. */
  send({ method = "GET", path = "/orders", headers = {}, body }: ClientRequest = {}): Promise<ClientAnswer> {
    return this.#request("http", method, path, { host: "api.acme.example", ...headers }, body);
  }

  /** Sends a request with a good token of the workforce, or one made by a recipe. */
  sendWithToken(request: ClientRequest = {}, token: string = this.maker.make()): Promise<ClientAnswer> {
    return this.send({ ...request, headers: { authorization: `Bearer ${token}`, ...request.headers } });
  }

  /** Begins a request with a good token whose body the test writes, and whose answer it reads, piece by piece. */
  stream({ method = "POST", path = "/orders", headers = {} }: ClientRequest, token = this.maker.make()): Exchange {
    const sent = { host: "api.acme.example", authorization: `Bearer ${token}`, ...headers };
    const request = httpRequest({ host: "127.0.0.1", port: this.#ports.get("http") ?? 0, method, path, headers: sent, agent: false });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.on("response", resolve);
      request.on("error", reject);
    });
    return { request, answered };
  }

  /** Opens a WebSocket with these headers. */
  webSocket(path: string, protocols: string[], headers: Readonly<Record<string, string>>): WebSocket {
    const url = `ws://127.0.0.1:${this.#ports.get("http") ?? 0}${path}`;
    return new WebSocket(url, protocols, { headers: { host: "api.acme.example", ...headers } });
  }

  /** Sends a request that no HTTP client would: its header values go on the wire as they are. */
  async sendByHand({ method = "GET", path = "/orders", headers = {} }: ClientRequest): Promise<ClientAnswer> {
    const lines = Object.entries({ host: "api.acme.example", ...headers, connection: "close" }).map((line) => line.join(": "));
    const bytes = await this.#exchangeBytes(`${[`${method} ${path} HTTP/1.1`, ...lines].join("\r\n")}\r\n\r\n`);
    const [head = "", body = ""] = bytes.toString().split("\r\n\r\n");
    const [statusLine = "", ...fields] = head.split("\r\n");
    const answered: IncomingHttpHeaders = {};
    for (const field of fields) answered[field.split(":")[0]?.toLowerCase() ?? ""] = field.slice(field.indexOf(":") + 1).trim();
    return { status: Number(statusLine.split(" ")[1]), headers: answered, body, bytes: Buffer.from(body) };
  }

  /**
   * Everything that the Worker wrote or told: its log, its data points and what it asked a model (both are in the log
   * here), its answers, KV, the cache, and what it asked them and others for by URL.
   */
  told(): readonly string[] {
    const kv = [...this.kv.entries].flatMap(([key, { value }]) => [key, value]);
    const cache = [...this.cache.entries].flatMap(([key, { value }]) => [key, value]);
    const urls = this.internet.calls.map(({ host, path }) => host + path);
    return [...this.written, ...this.answers, ...kv, ...cache, ...this.kv.reads, ...this.cache.reads, ...urls];
  }

  /** Breaks off every request that is under way, as a client that is gone does. */
  hangUp(): void {
    // A mere end of the client's half of the connection would not tell the runtime.
    for (const socket of Object.values(this.agent.sockets).flat()) socket?.resetAndDestroy();
  }

  /** Runs the cron trigger. */
  async cron(): Promise<void> {
    await this.#request("cron", "GET", "/", { host: "cron" });
  }

  /** Stops the Worker's clock at a time, in seconds since the epoch: no wait ends but by moving it on. */
  async stopClock(seconds: number): Promise<void> {
    await this.#request("clock", "POST", "/", { host: "clock" }, String(seconds));
  }

  /** Waits for the audit line of a trace id. */
  auditLine(traceId: unknown): Promise<Line> {
    return this.#waitFor(() => this.audit.find((line) => line["trace_id"] === traceId));
  }

  /** Waits until there are that many audit lines, or more. */
  async audited(lines: number): Promise<void> {
    await this.#waitFor(() => (this.audit.length >= lines ? true : undefined));
  }

  /** Waits for an operational event: the first of its name, or a later one by its place. */
  event(name: string, at = 0): Promise<Line> {
    return this.#waitFor(() => this.events(name)[at]);
  }

  /** The operational events of a name that have come until now. */
  events(name: string): readonly Line[] {
    const quoted = `"event":"${name}"`;
    return this.written.filter((line) => line.includes(quoted)).map((line) => JSON.parse(line) as Line);
  }

  /** Stops the isolate, and the world with it unless it goes on. */
  async stop({ keepWorld = false } = {}): Promise<void> {
    const running = this.#process;
    this.agent.destroy();
    if (running !== null && running.exitCode === null) {
      const gone = new Promise((resolve) => running.once("exit", resolve));
      running.kill("SIGTERM");
      await gone;
    }
    rmSync(this.#folder, { recursive: true, force: true });
    if (!keepWorld) await Promise.all([this.internet.close(), this.kv.close(), this.cache.close()]);
  }

  async #serve(options: EdgeOptions): Promise<void> {
    this.#folder = mkdtempSync(join(tmpdir(), "edge-"));
    mkdirSync(join(this.#folder, "objects"));
    copyFileSync(inject("workerModule"), join(this.#folder, "index.js"));
    copyFileSync(inject("proofsModule"), join(this.#folder, "proofs.js"));
    writeFileSync(join(this.#folder, "policy.json"), JSON.stringify("policy" in options ? options.policy : policyDocument()));
    writeFileSync(join(this.#folder, "cron.js"), CRON_SHIM);
    writeFileSync(join(this.#folder, "clock.js"), CLOCK_SHIM);
    writeFileSync(join(this.#folder, "limiter.js"), LIMITER);
    writeFileSync(join(this.#folder, "analytics.js"), ANALYTICS);
    writeFileSync(join(this.#folder, "ai.js"), AI);
    writeFileSync(join(this.#folder, "config.capnp"), this.#config(options));
    const running = spawn(workerd, ["serve", "config.capnp", "--experimental", "--control-fd=3"], {
      cwd: this.#folder,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    this.#process = running;
    const [, stdout, stderr, control] = running.stdio as unknown as [null, Readable, Readable, Readable];
    this.#lines(stdout, (line) => this.audit.push(JSON.parse(line) as Line));
    this.#lines(stderr, () => undefined);
    this.#lines(control, (line) => {
      const { socket, port } = JSON.parse(line) as { socket: string; port: number };
      this.#ports.set(socket, port);
    });
    await this.#waitFor(() => {
      if (running.exitCode !== null) throw new Error(`workerd ended: ${this.written.join("\n")}`);
      return this.#ports.size === 3 ? true : undefined;
    });
  }

  #lines(stream: Readable, take: (line: string) => void): void {
    createInterface({ input: stream }).on("line", (line) => {
      if (!line.startsWith('{"event":"listen"')) this.written.push(line);
      take(line);
      this.#changed();
    });
    stream.on("close", () => {
      this.#changed();
    });
  }

  #changed(): void {
    const woken = this.#waiting;
    this.#waiting = [];
    for (const wake of woken) wake();
  }

  async #waitFor<Value>(look: () => Value | undefined): Promise<Value> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #config({ bindings: changed = {}, limit = 1e6, replay = true, analytics = "up", ai = "up", tls = false }: EdgeOptions): string {
    const texts: Record<string, string | null> = {
      APIGEE_ORIGIN: "https://apigee.acme.example",
      AUDIT_SALT: "a-salt-for-tests",
      ENVIRONMENT: "test",
      INTROSPECTION_SECRETS: JSON.stringify({ workforce: "s3cret: of/tests", staff: "s3cret-of-org" }),
      RING: this.ring.secret,
      ...changed,
    };
    const bindings = Object.entries(texts)
      .filter(([, text]) => text !== null)
      .map(([name, text]) => `(name = "${name}", text = ${JSON.stringify(text)})`);
    const telemetry = Object.entries({ analytics, ai })
      .filter(([, mode]) => mode !== "none")
      .map(([name, mode]) => {
        const inner = `innerBindings = [(name = "settings", json = ${JSON.stringify(JSON.stringify({ mode }))})]`;
        return `(name = "${name.toUpperCase()}", wrapped = (moduleName = "test:${name}", ${inner}))`;
      });
    const limiters = ["orders", "payments"].map((product) => {
      const settings = JSON.stringify(JSON.stringify({ product, limit }));
      const inner = `innerBindings = [(name = "settings", json = ${settings})]`;
      return `(name = "LIMIT_${product.toUpperCase()}", wrapped = (moduleName = "test:limiter", ${inner}))`;
    });
    return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "edge", worker = .edge),
    (name = "cron", worker = .cron),
    (name = "proofs", worker = .proofs),
    (name = "internet", external = (address = "${this.internet.address}", ${tls ? 'https = (certificateHost = "internet.example")' : "http = ()"})),
    (name = "kv", external = (address = "${this.kv.address}", http = ())),
    (name = "objects", disk = (path = "objects", writable = true)),
    (name = "cache", external = (address = "${this.cache.address}", http = ())),
  ],
  extensions = [(modules = [
    (name = "test:limiter", esModule = embed "limiter.js", internal = true),
    (name = "test:ai", esModule = embed "ai.js", internal = true),
    (name = "test:analytics", esModule = embed "analytics.js", internal = true),
  ])],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (cfBlobHeader = "test-cf"), service = "edge"),
    (name = "cron", address = "127.0.0.1:0", http = (), service = "cron"),
    (name = "clock", address = "127.0.0.1:0", http = (), service = (name = "edge", entrypoint = "Clock")),
  ],
);
const edge :Workerd.Worker = (
  modules = [
    (name = "clock.js", esModule = embed "clock.js"),
    (name = "index.js", esModule = embed "index.js"),
    (name = "policy.json", json = embed "policy.json"),
  ],
  compatibilityDate = "2026-07-01",
  globalOutbound = "internet",
  cacheApiOutbound = "cache",
  bindings = [${[...bindings, ...limiters, ...telemetry, '(name = "KV", kvNamespace = "kv")', VERSION_BINDING, ...(replay ? [REPLAY_BINDING] : [])].join(", ")}],
);
const proofs :Workerd.Worker = (
  modules = [(name = "proofs.js", esModule = embed "proofs.js")],
  compatibilityDate = "2026-07-01",
  durableObjectNamespaces = [(className = "ReplayGuard", uniqueKey = "replay", enableSql = true)],
  durableObjectStorage = (localDisk = "objects"),
);
const cron :Workerd.Worker = (
  modules = [(name = "cron.js", esModule = embed "cron.js")],
  compatibilityDate = "2026-07-01",
  compatibilityFlags = ["service_binding_extra_handlers"],
  bindings = [(name = "EDGE", service = "edge")],
);
`;
  }

  #exchangeBytes(sent: string): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      const socket = connect(this.#ports.get("http") ?? 0, "127.0.0.1", () => socket.write(sent, "latin1"));
      socket.on("data", (chunk) => chunks.push(chunk));
      socket.on("error", reject);
      socket.on("close", () => {
        resolve(Buffer.concat(chunks));
      });
    });
  }

  #request(
    socket: string,
    method: string,
    path: string,
    headers: Readonly<Record<string, string | readonly string[]>>,
    body?: string,
  ): Promise<ClientAnswer> {
    const port = this.#ports.get(socket) ?? 0;
    const copied = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? value : [...value]]));
    return new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port, method, path, headers: copied, agent: this.agent };
      const sent = httpRequest(options, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const bytes = Buffer.concat(chunks);
          this.answers.push(JSON.stringify(response.rawHeaders), bytes.toString());
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes.toString(), bytes });
        });
      });
      sent.on("error", reject);
      sent.end(body);
    });
  }
}
