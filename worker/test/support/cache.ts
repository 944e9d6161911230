import { type ServerResponse } from "node:http";
import { type Listener, listen, type Received } from "./listener";

/**
 * The Cache API as workerd asks for it over HTTP: GET of a URL, and PUT of a whole HTTP response as the body. It forgets
 * nothing by itself.
 */
export class CacheStub {
  /** By URL: the body that was put, and its Cache-Control. */
  readonly entries = new Map<string, { readonly value: string; readonly control: string }>();
  readonly reads: string[] = [];
  /** `down` refuses, `slow` never answers. */
  mode: "up" | "down" | "slow" = "up";
  #listener: Listener | null = null;

  static async start(): Promise<CacheStub> {
    const stub = new CacheStub();
    stub.#listener = await listen((request, response) => {
      stub.#answer(request, response);
    });
    return stub;
  }

  get address(): string {
    return this.#listener?.address ?? "";
  }

  async close(): Promise<void> {
    await this.#listener?.close();
  }

  #answer({ method, host, path, body }: Received, response: ServerResponse): void {
    const url = `https://${host}${path}`;
    if (method === "GET") this.reads.push(url);
    if (this.mode === "slow") return;
    if (this.mode === "down") {
      response.writeHead(500).end();
      return;
    }
    if (method === "PUT") {
      const [head = "", value = ""] = body.split("\r\n\r\n");
      const control = /^cache-control: *(.*)$/im.exec(head)?.[1]?.trim() ?? "";
      this.entries.set(url, { value, control });
      response.writeHead(204).end();
      return;
    }
    this.#match(url, response);
  }

  #match(url: string, response: ServerResponse): void {
    const entry = this.entries.get(url);
    const status = entry === undefined ? "MISS" : "HIT";
    response.writeHead(entry === undefined ? 504 : 200, { "cf-cache-status": status }).end(entry?.value);
  }
}
