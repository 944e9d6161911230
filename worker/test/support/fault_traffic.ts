import { type ClientAnswer, type ClientRequest, type Edge } from "./edge";
import { ACTIVE, KEYS } from "./faults";
import { type IssuerKey } from "./keys";
import { type Recipe, TokenMaker } from "./tokens";

/** What kinds of requests there are, each with its right answer while nothing is at fault. */
export const RIGHT = {
  /** One and the same token, again and again. */
  repeated: "200",
  fresh: "200",
  "other-issuer": "200",
  "third-issuer": "200",
  opaque: "200",
  "one-opaque": "200",
  "just-issued": "200",
  "about-to-expire": "200",
  order: "200",
  "signed-by-next": "200",
  "signed-by-successor": "200",
  expired: "401 invalid-token",
  forged: "401 invalid-token",
  "made-up-key": "401 invalid-token",
  inactive: "401 invalid-token",
  revoked: "401 invalid-token",
  "no-token": "401 no-credentials",
  roleless: "403 insufficient-role",
} as const;

export type Kind = keyof typeof RIGHT;

/** Good and bad, of every way in: what a fault must not change the answers to. */
export const EVERYTHING: Readonly<Partial<Record<Kind, number>>> = {
  repeated: 6,
  fresh: 6,
  "other-issuer": 4,
  "third-issuer": 4,
  opaque: 4,
  "one-opaque": 4,
  order: 2,
  forged: 4,
  expired: 4,
  "made-up-key": 4,
  inactive: 4,
  "no-token": 2,
  roleless: 4,
};

/** Makes the requests of one world, with times as its issuers have them. */
export class Traffic {
  readonly #edge: Edge;
  readonly #once = new Map<Kind, string>();
  #made = 0;

  constructor(edge: Edge) {
    this.#edge = edge;
  }

  /** A request of that kind; `now` in seconds since the epoch. */
  request(kind: Kind, now: number): ClientRequest {
    if (kind === "no-token") return {};
    const post = kind === "order" ? { method: "POST", body: '{"item": 1}' } : {};
    return { ...post, headers: { authorization: `Bearer ${this.#token(kind, now)}` } };
  }

  #token(kind: Kind, now: number): string {
    if (kind !== "repeated" && kind !== "one-opaque") return this.#make(kind, now);
    const token = this.#once.get(kind) ?? this.#make(kind, now);
    this.#once.set(kind, token);
    return token;
  }

  #make(kind: Kind, now: number): string {
    const id = `AT.${this.#made++}`;
    const text = OPAQUE[kind];
    if (text !== undefined) return this.#opaque(`${text}${id}-AbCdEf0123456789`);
    const recipe = RECIPES[kind]?.(id) ?? {};
    return this.#jwt({ ...recipe, claims: { jti: id, ...recipe.claims } }, now, SIGNED_BY[kind]);
  }

  #jwt(what: Recipe, now: number, key?: IssuerKey): string {
    const { maker } = this.#edge;
    if (key === undefined) return maker.make(what, now);
    const token = new TokenMaker({ ...maker.keys, workforce: [key] }).make(what, now);
    maker.made.push(token);
    return token;
  }

  #opaque(token: string): string {
    this.#edge.maker.made.push(token);
    return token;
  }
}

/** How the opaque tokens begin. */
const OPAQUE: Readonly<Partial<Record<Kind, string>>> = { opaque: ACTIVE, "one-opaque": ACTIVE, inactive: "00gone-" };

/** The keys of the workforce's issuer that are not its first. */
const SIGNED_BY: Readonly<Partial<Record<Kind, IssuerKey>>> = { "signed-by-next": KEYS.next, "signed-by-successor": KEYS.successor };

/** How JWTs differ from the workforce's usual ones, by their id. */
const RECIPES: Readonly<Partial<Record<Kind, (id: string) => Recipe>>> = {
  "other-issuer": () => ({ issuer: "partners" }),
  "third-issuer": () => ({ issuer: "machines" }),
  "just-issued": () => ({ claims: { iat: { $in: 0 } } }),
  "about-to-expire": () => ({ claims: { exp: { $in: 3 } } }),
  expired: () => ({ claims: { iat: { $in: -900 }, exp: { $in: -600 } } }),
  order: () => ({ claims: { groups: ["store-buyers"] } }),
  forged: () => ({ sign: "stranger" }),
  "made-up-key": (id) => ({ header: { kid: `made-up-${id}` } }),
  revoked: () => ({ claims: { sub: "eve@acme.example" } }),
  roleless: () => ({ claims: { groups: [] } }),
};

/** An answer in short: its status and the kind of problem; `broken off` where none came whole. */
export function inShort(answer: ClientAnswer | null): string {
  if (answer === null) return "broken off";
  const { status, headers, body } = answer;
  try {
    const document = JSON.parse(body) as Readonly<Record<string, unknown>>;
    if (status === 200) return "200";
    const isProblem = headers["content-type"] === "application/problem+json" && document["status"] === status;
    return isProblem && headers["cache-control"] === "no-store" ? `${status} ${slugOf(document["type"])}` : `${status} that is no problem`;
  } catch {
    return `${status} spoilt`;
  }
}

function slugOf(type: unknown): string {
  return String(type).split("/").pop()?.split("#").pop() ?? "";
}
