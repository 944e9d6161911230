import { type ServerResponse } from "node:http";
import { type Listener, listen, type Received } from "./listener";

/**
 * How KV does: `down` refuses, `slow` never answers, `behind` shows what it held when it fell behind, `forgetful` shows
 * nothing, `full` refuses to be written (429).
 */
export type KvMode = "up" | "down" | "slow" | "behind" | "forgetful" | "full";

/** Workers KV as workerd asks for it over HTTP: GET and PUT of `/{key}`. */
export class KvStub {
  readonly entries = new Map<string, { readonly value: string; readonly ttl: number }>();
  readonly reads: string[] = [];
  #mode: KvMode = "up";
  /** What reads show instead, where KV is behind. */
  #shown: ReadonlyMap<string, { readonly value: string }> | null = null;
  #listener: Listener | null = null;
  #changed: () => void = () => undefined;

  static async start(): Promise<KvStub> {
    const stub = new KvStub();
    stub.#listener = await listen((request, response) => {
      stub.#answer(request, response);
    });
    return stub;
  }

  get mode(): KvMode {
    return this.#mode;
  }

  set mode(mode: KvMode) {
    this.#mode = mode;
    this.#shown = mode === "behind" ? new Map(this.entries) : mode === "forgetful" ? new Map() : null;
  }

  get address(): string {
    return this.#listener?.address ?? "";
  }

  /** Waits until some entry's key begins so. */
  async written(prefix: string): Promise<{ readonly key: string; readonly value: string; readonly ttl: number }> {
    for (;;) {
      const found = [...this.entries].find(([key]) => key.startsWith(prefix));
      if (found !== undefined) return { key: found[0], ...found[1] };
      await new Promise<void>((resolve) => (this.#changed = resolve));
    }
  }

  async close(): Promise<void> {
    await this.#listener?.close();
  }

  #answer({ method, path, body }: Received, response: ServerResponse): void {
    const url = new URL(path, "http://kv");
    const key = decodeURIComponent(url.pathname.slice(1));
    if (method === "GET") this.reads.push(key);
    if (this.mode === "slow") return;
    if (this.mode === "down") {
      response.writeHead(500).end();
      return;
    }
    if (method === "PUT" && this.mode === "full") {
      response.writeHead(429).end();
      return;
    }
    if (method === "PUT") {
      this.entries.set(key, { value: body, ttl: Number(url.searchParams.get("expiration_ttl")) });
      response.writeHead(200).end();
      this.#changed();
      return;
    }
    const entry = (this.#shown ?? this.entries).get(key);
    response.writeHead(entry === undefined ? 404 : 200).end(entry?.value);
  }
}
