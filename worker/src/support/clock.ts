/** Seconds since the epoch, as JWTs count them (RFC 7519 §2, NumericDate), in whole seconds. */
export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
