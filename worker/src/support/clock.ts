/** Seconds since the epoch, as JWTs count them (RFC 7519 §2, NumericDate), in whole seconds. */
export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/**
 * Whether something that is remembered until a time, for no longer than `longest`, still holds; all in seconds. A clock
 * that went back ends its time, rather than stretch it.
 */
export function stillHolds(until: number, longest: number, now: number): boolean {
  return now < until && until <= now + longest;
}
