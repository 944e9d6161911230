const DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Bytes as lower-case hexadecimal digits. */
export function hex(bytes: Uint8Array): string {
  let digits = "";
  for (const byte of bytes) digits += DIGITS[byte] ?? "";
  return digits;
}

const UTF8 = new TextEncoder();

/** SHA-256 of a text's UTF-8 bytes, as 64 hexadecimal digits. */
export async function sha256Hex(value: string): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", UTF8.encode(value))));
}
