export interface PulledStream<T> {
  readonly source: Pick<AsyncIterator<T>, "next" | "return">;
  encode(value: T): Uint8Array;
  /** What the source's failure looks like to the client, as the last chunk. Without it the response is cut off. */
  lastWords?(error: unknown): Uint8Array;
  /** Called once, when the source has ended or failed, or the client is gone. */
  release(): void;
}

/**
 * A body that takes from its source only what its reader asks for. A reader that goes away while the source is being waited
 * for is the ordinary end of a watch and of a followed log: what still comes from the source is then for nobody.
 */
export function pulledStream<T>({ source, encode, lastWords, release }: PulledStream<T>): ReadableStream<Uint8Array> {
  let gone = false;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await source.next();
          if (gone) return;
          if (done !== true) {
            controller.enqueue(encode(value));
            return;
          }
        } catch (error) {
          if (gone) return;
          gone = true;
          release();
          if (!lastWords) throw error;
          controller.enqueue(lastWords(error));
          controller.close();
          return;
        }
        gone = true;
        release();
        controller.close();
      },
      cancel() {
        if (gone) return;
        gone = true;
        release();
        void Promise.resolve(source.return?.()).catch(() => undefined);
      },
    },
    // Headers leave before the first chunk: the stream is not asked for more than its reader wants.
    { highWaterMark: 0 },
  );
}
