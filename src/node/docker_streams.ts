import type { LogChunk } from "./container_runtime.ts";

/**
 * Takes Docker's multiplexed stream apart: frames of one byte stream type, three zero bytes, four bytes length, payload.
 * Nothing is read before the consumer asks, and a payload goes on in the pieces in which it came.
 */
export async function* demultiplex(source: AsyncIterable<Uint8Array>): AsyncGenerator<LogChunk> {
  let header = new Uint8Array(8);
  let inHeader = 0;
  let left = 0;
  let stream: LogChunk["stream"] = "stdout";
  for await (const chunk of source) {
    let at = 0;
    while (at < chunk.length) {
      if (left === 0) {
        const take = Math.min(8 - inHeader, chunk.length - at);
        header.set(chunk.subarray(at, at + take), inHeader);
        inHeader += take;
        at += take;
        if (inHeader < 8) break;
        inHeader = 0;
        stream = header[0] === 2 ? "stderr" : "stdout";
        left = new DataView(header.buffer).getUint32(4);
        header = new Uint8Array(8);
        continue;
      }
      const take = Math.min(left, chunk.length - at);
      yield { stream, bytes: chunk.subarray(at, at + take) };
      left -= take;
      at += take;
    }
  }
}

/** A terminal's output is not framed: all of it is stdout. */
export async function* asStdout(source: AsyncIterable<Uint8Array>): AsyncGenerator<LogChunk> {
  for await (const bytes of source) yield { stream: "stdout", bytes };
}

/** The values of a stream of JSON texts, one a line (events, pull progress). A torn last line is dropped. */
export async function* jsonLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of source) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield JSON.parse(line);
  }
  if (rest.trim().endsWith("}")) yield JSON.parse(rest);
}
