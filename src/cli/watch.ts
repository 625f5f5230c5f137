import type { ApiConnection, ApiRequest } from "./api_connection.ts";
import { statusError } from "./http_connection.ts";
import { isRecord } from "./object.ts";

export interface WatchedEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: unknown;
}

/** Lines of a stream, without their ends; a last one without an end counts. */
export async function* lines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}

/** Ends when the server or `signal` ends the watch. Throws the StatusError of an ERROR event. */
export async function* watchEvents(
  api: ApiConnection,
  request: ApiRequest,
  signal?: AbortSignal,
): AsyncGenerator<WatchedEvent> {
  const query = [...(request.query ?? []), ["watch", "true"] as const];
  for await (const line of lines(await api.stream({ ...request, query }, signal))) {
    if (line.trim() === "") continue;
    const event: unknown = JSON.parse(line);
    if (!isRecord(event)) continue;
    const { type, object } = event;
    if (type === "ERROR") throw statusError(500, JSON.stringify(object));
    if (type === "ADDED" || type === "MODIFIED" || type === "DELETED" || type === "BOOKMARK") yield { type, object };
  }
}
