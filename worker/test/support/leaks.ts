/** Characters of a token in a row that nothing else has by chance: 96 bits in base64url. */
const WINDOW = 16;

/**
 * Parts of secrets that stand in texts, each with the text. What secrets have in common with what is no secret, such as
 * the beginning of every JOSE header, is left out by `known`.
 */
export function leaks(secrets: readonly string[], texts: readonly string[], known: readonly string[] = []): readonly string[] {
  const parts = new Set(secrets.flatMap(windows));
  for (const part of known.flatMap(windows)) parts.delete(part);
  return texts.flatMap((text) => {
    const part = firstOf(parts, text);
    return part === undefined ? [] : [`${part} in ${text}`];
  });
}

function windows(text: string): readonly string[] {
  return Array.from({ length: Math.max(0, text.length - WINDOW + 1) }, (_, start) => text.slice(start, start + WINDOW));
}

function firstOf(parts: ReadonlySet<string>, text: string): string | undefined {
  for (let start = 0; start + WINDOW <= text.length; start++) {
    const part = text.slice(start, start + WINDOW);
    if (parts.has(part)) return part;
  }
  return undefined;
}
