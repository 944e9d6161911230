import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { type Duplex } from "node:stream";

/** A request that a stub was sent. */
export interface Received {
  readonly method: string;
  readonly host: string;
  /** With the query, as it was sent. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Names and values as they came, names in lower case. */
  readonly rawHeaders: readonly (readonly [string, string])[];
  readonly body: string;
}

/** An HTTP server on a free loopback port. */
export interface Listener {
  readonly address: string;
  close(): Promise<void>;
}

/** What a server does with a request that it does not read whole before it answers. */
export interface Early {
  /** Takes a request whose head has come, or leaves it. */
  readonly request: (request: IncomingMessage, response: ServerResponse) => boolean;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/** Starts a server that reads each request whole before `answer` is called, unless `early` takes it. */
export async function listen(
  answer: (request: Received, response: ServerResponse) => void,
  early?: Early,
): Promise<Listener> {
  const server = createServer((request, response) => {
    if (early?.request(request, response) === true) return;
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      answer(received(request, Buffer.concat(chunks).toString()), response);
    });
  });
  if (early !== undefined) server.on("upgrade", early.upgrade);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

function received(request: IncomingMessage, body: string): Received {
  const names = request.rawHeaders.filter((_, index) => index % 2 === 0);
  const rawHeaders = names.map((name, index) => [name.toLowerCase(), request.rawHeaders[index * 2 + 1] ?? ""] as const);
  return {
    method: request.method ?? "",
    host: request.headers.host ?? "",
    path: request.url ?? "",
    headers: Object.fromEntries(rawHeaders),
    rawHeaders,
    body,
  };
}
