import { type CorsPolicy } from "../policy/table";

/** Answer headers that say which pages may read the answer: the edge's to set, where the contract has pages. */
const CORS_HEADERS = [
  "access-control-allow-origin",
  "access-control-allow-credentials",
  "access-control-expose-headers",
  "access-control-allow-methods",
  "access-control-allow-headers",
  "access-control-max-age",
];

/** Whether a request asks for leave to make another one (Fetch Standard, CORS-preflight request). It has no credentials. */
export function isPreflight({ method, headers }: Request): boolean {
  return method === "OPTIONS" && headers.has("origin") && headers.has("access-control-request-method");
}

/** Tells browsers which pages may call and read (Fetch Standard, CORS protocol). Cookies are never credentials here. */
export class Cors {
  readonly #origins: ReadonlySet<string>;
  readonly #requestHeaders: string;
  readonly #exposedHeaders: string;
  readonly #maxAge: string;

  constructor(policy: CorsPolicy) {
    this.#origins = new Set(policy.origins);
    this.#requestHeaders = policy.request_headers.join(", ");
    this.#exposedHeaders = policy.exposed_headers.join(", ");
    this.#maxAge = String(policy.max_age_seconds);
  }

  /** Whether pages of that origin may call. */
  allows(origin: string | null): boolean {
    return origin !== null && this.#origins.has(origin);
  }

  /** The answer to a preflight of an origin that may call: what requests to this path may have. */
  preflight(methods: readonly string[]): Response {
    return new Response(null, {
      status: 204,
      headers: {
        "access-control-allow-methods": methods.join(", "),
        "access-control-allow-headers": this.#requestHeaders,
        "access-control-max-age": this.#maxAge,
      },
    });
  }

  /** Marks an answer, a refusal as well, for the page that asked; what a backend says of it is replaced. */
  mark({ status, headers }: Response, request: Request): void {
    const isPermission = isPreflight(request) && status === 204;
    if (!isPermission) for (const name of CORS_HEADERS) headers.delete(name);
    // Caches must keep answers to different pages apart, and those to none.
    headers.append("vary", isPermission ? "origin, access-control-request-method, access-control-request-headers" : "origin");
    const origin = request.headers.get("origin");
    if (origin === null || !this.allows(origin)) return;
    headers.set("access-control-allow-origin", origin);
    if (!isPermission) headers.set("access-control-expose-headers", this.#exposedHeaders);
  }
}
