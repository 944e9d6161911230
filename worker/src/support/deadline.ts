/** What {@link within} gives where the time is over before the work is done. */
export const LATE = Symbol("late");

/** Waits for the work, but no longer than `milliseconds`. The work itself goes on; its failure is the caller's. */
export async function within<Value>(work: Promise<Value>, milliseconds: number): Promise<Value | typeof LATE> {
  let give: (late: typeof LATE) => void = () => undefined;
  const late = new Promise<typeof LATE>((resolve) => (give = resolve));
  const timer = setTimeout(() => {
    give(LATE);
  }, milliseconds);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
