/** A body that breaks off where it gets too long. */
export interface LimitedBody {
  readonly body: ReadableStream;
  /** Whether it has. */
  readonly isExceeded: () => boolean;
}

/** Passes a body on as it comes, chunk by chunk; breaks it off after `limit` bytes, and tells so at once. */
export function limitBody(body: ReadableStream, limit: number, tell: () => void): LimitedBody {
  let bytes = 0;
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes <= limit) {
        controller.enqueue(chunk);
        return;
      }
      controller.error(new RangeError("the body is too large"));
      tell();
    },
  });
  return { body: body.pipeThrough(count), isExceeded: () => bytes > limit };
}
