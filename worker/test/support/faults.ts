import { type ServerResponse } from "node:http";
import { type Edge, type EdgeOptions, policyDocument } from "./edge";
import { answers, breaks, type Handler, hangs, json } from "./internet";
import { type IssuerKey, newKey, publishedJwk } from "./keys";
import { TokenMaker } from "./tokens";

/** The places outside the edge that can be at fault, by URL. */
export const PLACES = {
  "okta-metadata": "acme.okta.example/oauth2/default/.well-known/openid-configuration",
  "okta-keys": "acme.okta.example/oauth2/default/v1/keys",
  "google-keys": "www.googleapis.example/oauth2/v3/certs",
  introspection: "acme.okta.example/oauth2/default/v1/introspect",
  apigee: "apigee.acme.example",
} as const;

export type Place = keyof typeof PLACES;

const OKTA = "https://acme.okta.example/oauth2/default";
const OKTA_METADATA = { issuer: OKTA, jwks_uri: `https://${PLACES["okta-keys"]}` };

/** How an opaque token begins that is active at its issuer. */
export const ACTIVE = "00active-";

const JSON_TYPE = { "content-type": "application/json" };
const LARGE_BYTES = 1024 * 1024;

/** How any place can be at fault. */
const FAULTS: Readonly<Record<string, Handler>> = {
  "is gone (404)": status(404),
  "answers 500": status(500),
  "answers 502": status(502),
  "answers 503": status(503),
  "never answers": hangs,
  "breaks the connection": breaks,
  "answers with a page": (_request, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<h1>Under maintenance</h1>");
  },
  "breaks off in the middle": (_request, response) => {
    response.writeHead(200, { ...JSON_TYPE, "content-length": "1000" });
    response.write('{"keys": [', () => response.destroy());
  },
  "sends a byte now and then, for ever": (_request, response) => {
    response.writeHead(200, JSON_TYPE);
    everyNowAndThen(response, () => response.write(" "));
  },
};

/** How the keys of the workforce can change, and be wrong. */
const KEY_SETS: Readonly<Record<string, (keys: WorldKeys) => Handler>> = {
  up: ({ first }) => answers({ keys: [publishedJwk(first)] }),
  "gives an empty set": () => answers({ keys: [] }),
  "gives a set of more than 64 KiB": ({ first }) => answers({ keys: [publishedJwk(first)], padding: "x".repeat(70_000) }),
  "redirects elsewhere": () => (_request, response) => {
    response.writeHead(302, { location: "https://evil.example/keys" }).end();
  },
  "gives another set": ({ next }) => answers({ keys: [publishedJwk(next)] }),
  "gives the old and the next key": ({ first, next }) => answers({ keys: [publishedJwk(first), publishedJwk(next)] }),
  "gives a new key under the old key's id": ({ successor }) => answers({ keys: [publishedJwk(successor)] }),
};

/** How Apigee can be at fault beyond what any place can. */
const APIGEE: Readonly<Record<string, () => Handler>> = {
  up: () => answersWell,
  "breaks the first connection": () => inTurn(breaks, answersWell),
  "answers 521 once": () => inTurn(status(521), answersWell),
  "sends its answer in pieces, for longer than its head may take": () => (_request, response) => {
    response.writeHead(200, JSON_TYPE);
    const pieces = ["{", '"slow"', ":", "true", "}"];
    everyNowAndThen(response, () => {
      const piece = pieces.shift();
      if (piece === undefined) response.end();
      else response.write(piece);
    }, 700);
  },
  "answers with 1 MiB": () => answers({ padding: "x".repeat(LARGE_BYTES) }),
  "refuses with a problem that never ends": () => (_request, response) => {
    response.writeHead(401, { "content-type": "application/problem+json" });
    response.write('{"type": "');
  },
  "refuses the internal token": () => problem("edge-token-invalid"),
  "does not know the key of the first token": () => inTurn(problem("edge-key-unknown"), answersWell),
};

/** Policies by which Apigee has so long that no busy machine takes it for late, unless a row is about that. */
const usual = (): Record<string, unknown> => ({ ...policyDocument(), upstream_timeout_seconds: 20 });

/** What policy a Worker may be deployed with: what is fit, and what is not. */
export const POLICIES: Readonly<Record<string, () => unknown>> = {
  usual,
  "keeps JWTs in KV": () => ({ ...usual(), token_cache: { seconds: 300, kv: true } }),
  "gives Apigee three seconds": () => ({ ...policyDocument(), upstream_timeout_seconds: 3 }),
  blank: () => "",
  null: () => null,
  "an empty object": () => ({}),
  "with blank issuers": () => ({ ...policyDocument(), issuers: [{}] }),
  "with an operation of blank fields": () => ({ ...policyDocument(), operations: [{ name: "", method: "", path: "", product: "", roles: [], timeout_seconds: 0, max_body_bytes: null }] }),
  "without operations": () => ({ ...policyDocument(), operations: [] }),
  "whose operations are a text": () => ({ ...policyDocument(), operations: "all" }),
  "whose limits are texts": () => ({ ...policyDocument(), leeway_seconds: "10" }),
  "with ten times the operations that fit": () => {
    const [operation] = policyDocument()["operations"] as readonly object[];
    return { ...policyDocument(), operations: Array.from({ length: 5_000 }, (_, n) => ({ ...operation, name: `operation-${n}`, path: `/orders/${n}` })) };
  },
};

/** The keys that the workforce's issuer signs with in a world, and those that it changes to. */
export interface WorldKeys {
  readonly first: IssuerKey;
  /** Under another key id. */
  readonly next: IssuerKey;
  /** Under the first one's. */
  readonly successor: IssuerKey;
}

const [FIRST] = new TokenMaker().keys.workforce;
export const KEYS: WorldKeys = {
  first: FIRST ?? newKey("okta-1", "RS256"),
  next: newKey("okta-2", "RS256"),
  successor: newKey("okta-1", "RS256"),
};

/** Makes a place behave so from now on. */
export function setPlace(edge: Edge, place: Place, behaviour: string): void {
  edge.internet.on(PLACES[place], handlerFor(edge, place, behaviour));
}

function handlerFor(edge: Edge, place: Place, behaviour: string): Handler {
  if (place === "okta-metadata" && behaviour === "up") return answers(OKTA_METADATA);
  if (place === "apigee" && behaviour in APIGEE) return (APIGEE[behaviour] as () => Handler)();
  if (place === "okta-keys" && behaviour in KEY_SETS) return (KEY_SETS[behaviour] as (keys: WorldKeys) => Handler)(KEYS);
  if (place === "introspection" && behaviour === "up") return introspects;
  if (place === "introspection" && behaviour === "knows no token") return answers({ active: false });
  const fault = FAULTS[behaviour];
  if (fault === undefined) throw new Error(`there is no behaviour "${behaviour}" of ${place} in ${edge.internet.address}`);
  return fault;
}

const answersWell: Handler = (request, response) => {
  json(response, 200, { path: request.path, method: request.method });
};

const introspects: Handler = ({ body }, response) => {
  const token = new URLSearchParams(body).get("token") ?? "";
  if (!token.startsWith(ACTIVE)) {
    json(response, 200, { active: false });
    return;
  }
  const about = { iss: OKTA, aud: "api://acme-store", sub: "ada@acme.example", client_id: "0oa1storefront" };
  json(response, 200, { ...about, active: true, token_type: "Bearer", groups: ["store-readers"], exp: Math.floor(Date.now() / 1000) + 7_200 });
};

function status(code: number): Handler {
  return (_request, response) => {
    response.writeHead(code, { "content-type": "text/html" }).end("<h1>Sorry</h1>");
  };
}

function problem(slug: string): Handler {
  const type = `https://developer.acme.example/problems/${slug}`;
  return (_request, response) => {
    json(response, 401, { type, status: 401 }, { "content-type": "application/problem+json" });
  };
}

/** Answers by these handlers, one after the other; the last one goes on. */
function inTurn(...handlers: readonly Handler[]): Handler {
  const left = [...handlers];
  return (request, response) => {
    const [handler] = left.length > 1 ? left.splice(0, 1) : left;
    handler?.(request, response);
  };
}

function everyNowAndThen(response: ServerResponse, act: () => void, milliseconds = 100): void {
  const timer = setInterval(act, milliseconds);
  response.on("close", () => {
    clearInterval(timer);
  });
}

/** What a Worker of these settings is started with. */
export function optionsOf({ policy = "usual", ...rest }: { readonly policy?: string } & Omit<EdgeOptions, "policy">): EdgeOptions {
  const made = POLICIES[policy];
  if (made === undefined) throw new Error(`there is no policy "${policy}"`);
  return { ...rest, policy: made() };
}
