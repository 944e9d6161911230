import { type IncomingMessage, type ServerResponse } from "node:http";
import { type WebSocket, WebSocketServer } from "ws";
import { type Listener, listen, type Received } from "./listener";
import { publishedJwk } from "./keys";
import { type TokenMaker } from "./tokens";

/** Answers a request to one URL. */
export type Handler = (request: Received, response: ServerResponse) => void;

/** Answers a request whose body is still to be read. */
export type StreamHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Everything the Worker can reach: the issuers, Apigee. Found by host and path; any URL can be made to behave otherwise. */
export class Internet {
  readonly calls: Received[] = [];
  readonly #handlers = new Map<string, Handler>();
  readonly #streams = new Map<string, StreamHandler>();
  readonly #sockets = new Map<string, (socket: WebSocket, request: IncomingMessage) => void>();
  readonly #webSockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered][0] ?? false });
  #listener: Listener | null = null;

  static async start(maker: TokenMaker): Promise<Internet> {
    const internet = new Internet();
    internet.#listener = await listen(
      (request, response) => {
        internet.#answer(request, response);
      },
      {
        request: (request, response) => internet.#stream(request, response),
        upgrade: (request, socket, head) => {
          const handler = internet.#sockets.get(request.headers.host ?? "");
          if (handler === undefined) socket.destroy();
          else internet.#webSockets.handleUpgrade(request, socket, head, handler);
        },
      },
    );
    internet.#issuers(maker);
    internet.on("apigee.acme.example", (request, response) => {
      json(response, 200, { path: request.path, method: request.method, body: request.body });
    });
    return internet;
  }

  get address(): string {
    return this.#listener?.address ?? "";
  }

  /** Answers `host/path`, or any path of `host`, by this handler from now on. */
  on(place: string, handler: Handler): void {
    this.#handlers.set(place, handler);
  }

  /** Answers any path of `host` while the request's body is still coming, until it is given back with null. */
  onStream(host: string, handler: StreamHandler | null): void {
    if (handler === null) this.#streams.delete(host);
    else this.#streams.set(host, handler);
  }

  /** Takes WebSockets to `host`. */
  onWebSocket(host: string, handler: (socket: WebSocket, request: IncomingMessage) => void): void {
    this.#sockets.set(host, handler);
  }

  /** The requests that came to a host, optionally to paths that begin so. */
  to(host: string, path = ""): readonly Received[] {
    return this.calls.filter((call) => call.host === host && call.path.startsWith(path));
  }

  async close(): Promise<void> {
    for (const socket of this.#webSockets.clients) socket.terminate();
    await this.#listener?.close();
  }

  #answer(request: Received, response: ServerResponse): void {
    this.calls.push(request);
    const [path] = request.path.split("?");
    const handler = this.#handlers.get(`${request.host}${path ?? ""}`) ?? this.#handlers.get(request.host);
    if (handler === undefined) json(response, 404, { error: "not_found" });
    else handler(request, response);
  }

  #stream(request: IncomingMessage, response: ServerResponse): boolean {
    const handler = this.#streams.get(request.headers.host ?? "");
    handler?.(request, response);
    return handler !== undefined;
  }

  #issuers({ keys }: TokenMaker): void {
    const okta = "acme.okta.example/oauth2/default";
    this.on(`${okta}/.well-known/openid-configuration`, answers({ issuer: `https://${okta}`, jwks_uri: `https://${okta}/v1/keys` }));
    this.on(`${okta}/v1/keys`, answers({ keys: keys.workforce.map(publishedJwk) }));
    // Google's keys are on another host than its metadata.
    this.on(
      "accounts.google.example/.well-known/openid-configuration",
      answers({ issuer: "https://accounts.google.example", jwks_uri: "https://www.googleapis.example/oauth2/v3/certs" }),
    );
    this.on("www.googleapis.example/oauth2/v3/certs", answers({ keys: keys.partners.map(publishedJwk) }));
    // Only RFC 8414 metadata.
    this.on(
      "idp.machines.example/.well-known/oauth-authorization-server",
      answers({ issuer: "https://idp.machines.example/", jwks_uri: "https://idp.machines.example/keys" }),
    );
    this.on("idp.machines.example/keys", answers({ keys: keys.machines.map(publishedJwk) }));
    this.on("acme.okta.example/oauth2/v1/introspect", answers({ active: false }));
    this.on("oauth2.googleapis.example/tokeninfo", (_request, response) => {
      json(response, 400, { error: "invalid_token", error_description: "Invalid Value" });
    });
    // Entra's keys do not say what algorithm they are for.
    const directory = keys.directory.map(publishedJwk).map((jwk) => ({ ...jwk, alg: undefined, x5t: jwk["kid"] }));
    this.#issuer("login.microsoftonline.example/6f1d/v2.0", "", directory);
    this.#issuer("acme.auth0.example", "/", keys.customers.map(publishedJwk));
    this.#issuer("idp.exotic.example", "", keys.exotic.map(publishedJwk));
  }

  /** An issuer of `https://place` and then `end`, with its metadata and keys below it. */
  #issuer(place: string, end: string, keys: readonly unknown[]): void {
    const metadata = { issuer: `https://${place}${end}`, jwks_uri: `https://${place}/keys` };
    this.on(`${place}/.well-known/openid-configuration`, answers(metadata));
    this.on(`${place}/keys`, answers({ keys }));
  }
}

/** Answers with JSON. */
export function json(response: ServerResponse, status: number, document: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(document));
}

/** Always answers 200 with this JSON document. */
export function answers(document: unknown, headers: Record<string, string> = {}): Handler {
  return (_request, response) => {
    json(response, 200, document, headers);
  };
}

/** Takes the request and never answers. */
export const hangs: Handler = () => undefined;

/** Breaks the connection. */
export const breaks: Handler = (_request, response) => {
  response.destroy();
};
