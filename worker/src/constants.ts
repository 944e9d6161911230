/**
 * Every number the Worker decides by. What operators may change is in the contract; what is here follows a standard, a
 * limit of the platform, or the reason beside it.
 */

/** Bytes of a client's token. Workers allow 128 KiB of headers; no issuer comes near this, and parsing costs per byte. */
export const MAX_TOKEN_BYTES = 8 * 1024;

/** Bytes of all header names and values of a request: half of what Apigee takes, since the edge adds its own. */
export const MAX_HEADER_BYTES = 32 * 1024;

/** Bytes of a request's body as announced by Content-Length: Apigee's own limit for a message. */
export const MAX_BODY_BYTES = 10 * 1024 * 1024;

/** Bytes of a request's path. The longest path template of a contract has 200. */
export const MAX_PATH_BYTES = 2 * 1024;

/** Depth of a token's JSON. Real claims nest two or three deep (`realm_access.roles`). */
export const MAX_JSON_DEPTH = 16;

/** Bytes of a key id in a token or a key set; the longest in use are hex SHA-256 digests and URLs. */
export const MAX_KID_BYTES = 256;

/** Characters of `sub`: OpenID Connect Core 1.0 §2. */
export const MAX_SUBJECT_CHARACTERS = 255;

/** Characters of a client id in a token; a contract's have at most 200. */
export const MAX_CLIENT_ID_CHARACTERS = 255;

/** Seconds from `iat` to `exp` of a client's token: the longest life Okta gives an access token is 24 hours. */
export const MAX_TOKEN_LIFE_SECONDS = 24 * 60 * 60;

/**
 * Characters of an opaque token, at least. RFC 6750 names no size; 128 random bits in base64url are 22, and anything
 * much shorter is a guess that is not worth a question to the issuer.
 */
export const MIN_OPAQUE_TOKEN_CHARACTERS = 16;

/** Milliseconds for one document of an issuer, from connecting to its last byte (jose's remote key set waits as long). */
export const ISSUER_TIMEOUT_MS = 5_000;

/** Milliseconds a request waits for a fetch that another request began, longer than its two documents may take. */
export const SHARED_FETCH_WAIT_MS = 2 * ISSUER_TIMEOUT_MS + 1_000;

/** Bytes of an issuer's metadata, key set or introspection answer. Real ones have 1 to 10 KiB. */
export const MAX_ISSUER_DOCUMENT_BYTES = 64 * 1024;

/** Keys in an issuer's set; real sets have 1 to 20. */
export const MAX_KEYS_IN_SET = 100;

/** Bits of an RSA modulus, at least: RFC 7518 §3.3. */
export const MIN_RSA_BITS = 2048;

/** Bits of an RSA modulus, at most: verifying costs its square, and no issuer signs with more. */
export const MAX_RSA_BITS = 8192;

/** Seconds a key set is fresh, at least, whatever its Cache-Control says: a `no-store` must not cost a fetch a request. */
export const MIN_KEYS_FRESH_SECONDS = 60;

/** Seconds a key set is fresh where its Cache-Control says nothing. */
export const DEFAULT_KEYS_FRESH_SECONDS = 10 * 60;

/** Seconds a key set is fresh, at most: how long a key that the issuer took back is still accepted. */
export const MAX_KEYS_FRESH_SECONDS = 60 * 60;

/** Seconds the last known good keys are used while the issuer cannot be reached, since they were fetched (Entra: 24 h). */
export const MAX_KEYS_STALE_SECONDS = 24 * 60 * 60;

/**
 * Seconds after a fetch until an unknown key id may cause another. Short, since an issuer may have just rotated; made-up
 * key ids gain nothing by it, for their fetch is fruitless.
 */
export const UNKNOWN_KID_COOLDOWN_SECONDS = 1;

/** Seconds after a fetch that did not bring the wanted key, or after any where a signature is wrong: tokens are being made up. */
export const FRUITLESS_COOLDOWN_SECONDS = 30;

/** Seconds after a failed fetch until the next. */
export const FAILED_FETCH_COOLDOWN_SECONDS = 10;

/** Seconds an issuer's metadata, which names the key set's URL, is kept in an isolate. */
export const METADATA_FRESH_SECONDS = 60 * 60;

/** Seconds an introspection answer is used, over both cache tiers: how long a revoked opaque token still works. */
export const INTROSPECTION_FRESH_SECONDS = 60;

/** Seconds an isolate remembers that a token is not active, so that a client that insists costs one question. */
export const INACTIVE_TOKEN_SECONDS = 10;

/** Introspection answers an isolate keeps; each has some hundred bytes. */
export const MAX_INTROSPECTION_ENTRIES = 2_000;

/** Milliseconds the readiness endpoint waits for keys that are missing: probes commonly give up after a few seconds. */
export const READY_WAIT_MS = 2_000;

/**
 * Seconds others may keep the ring's public keys. An upload takes up to two minutes to be everywhere, and no settings
 * of the ring allow a period below 155 s: so a key has been seen by every reader of the set before it signs.
 */
export const JWKS_MAX_AGE_SECONDS = 30;

/** Tokens an isolate remembers to have verified; each has some hundred bytes. */
export const MAX_VERIFIED_TOKENS = 5_000;

/** Seconds a verified token is remembered, at most; the contract sets how long. A taken-back key ends it at once. */
export const MAX_TOKEN_CACHE_SECONDS = 60 * 60;

/** Seconds between two looks at the revocation list, behind a request's back. */
export const REVOCATION_REFRESH_SECONDS = 10;

/**
 * Seconds after which an isolate that is rarely called looks at the list before it answers, for at most
 * {@link KV_DEADLINE_MS}: so no list in use is older than that, as long as KV answers.
 */
export const REVOCATION_STALE_SECONDS = 20;

/** Seconds KV's own cache may answer for the revocation list: the shortest that Workers KV allows. */
export const REVOCATION_KV_CACHE_SECONDS = 30;

/** Entries of the revocation list: reading more would cost an isolate milliseconds at every look. */
export const MAX_REVOCATIONS = 5_000;

/** Seconds a DPoP proof is good for after it was made (RFC 9449 §11.1: "a relatively brief period"). */
export const DPOP_PROOF_SECONDS = 60;

/** Bytes of a DPoP proof. One with an RSA key of 4096 bits has some 1,600. */
export const MAX_PROOF_BYTES = 4 * 1024;

/** Characters of a proof's `jti`; RFC 9449 §4.2 wants 96 random bits, and a UUID has 36 characters. */
export const MAX_PROOF_ID_CHARACTERS = 256;

/** Seconds from one DPoP nonce to the next; the last one is good for as long again. */
export const DPOP_NONCE_SECONDS = 120;

/** Milliseconds to wait for the object that remembers proofs: without its word a proof is not taken. */
export const REPLAY_DEADLINE_MS = 2_000;

/** Hexadecimal digits of a hash in audit lines: 128 bits, which no two subjects or tokens share by chance. */
export const LOGGED_HASH_DIGITS = 32;

/** Subjects whose pseudonyms an isolate remembers; each has some hundred bytes. */
export const MAX_PSEUDONYMS = 2_000;

/** Milliseconds to wait for KV; p99 is below 5, and what KV holds can be had elsewhere. */
export const KV_DEADLINE_MS = 50;

/** Milliseconds to wait for the rate limit's counter, which is in the same data centre; Apigee counts as well. */
export const LIMITER_DEADLINE_MS = 50;

/** Milliseconds to wait for a model's hint. Nobody waits for it but the event that tells it. */
export const HINT_DEADLINE_MS = 3_000;

/** Tokens a model may answer with; a hint has some twenty. */
export const MAX_HINT_TOKENS = 64;

/** Characters of a hint that comes as a text. */
export const MAX_HINT_CHARACTERS = 256;

/** Applications whose requests of a minute are counted for hints. */
export const MAX_HINT_APPLICATIONS = 1_000;

/** Seconds a KV entry may live, at least: Workers KV refuses a shorter `expirationTtl`. */
export const MIN_KV_TTL_SECONDS = 60;

/** Seconds of `Retry-After` where a dependency is down: the time after which the edge itself tries again. */
export const RETRY_AFTER_SECONDS = FAILED_FETCH_COOLDOWN_SECONDS;

/** Bytes of a 401 problem of Apigee that are read to tell a refused internal token from the API's own answer. */
export const MAX_PROBLEM_BYTES = 16 * 1024;

/** Members of `tracestate`: W3C Trace Context §3.3.1.1. */
export const MAX_TRACESTATE_MEMBERS = 32;

/** Operations in a policy table, as in the contract's own limit. */
export const MAX_OPERATIONS = 500;

/** Nodes of the compiled path matcher; a real contract has some hundred, and memory is limited to 128 MB. */
export const MAX_MATCHER_NODES = 50_000;

/** Seconds of the internal token's life, at most: beyond it a leaked one is worth stealing. */
export const MAX_INTERNAL_LIFE_SECONDS = 300;
