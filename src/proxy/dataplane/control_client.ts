import { connect } from "node:net";
import type { Clock } from "../../env/clock.ts";
import { type Hello, maxLineBytes, parseHello, parseReply, type Reply, type Request } from "./control_protocol.ts";
import { LineReader } from "./lines.ts";

/** Any request, its id still to be given. */
type Question = Request extends infer R ? (R extends Request ? Omit<R, "id"> : never) : never;
export type Answer = Extract<Reply, { ok: true }>;

/** One connection to a proxy's control socket. */
export interface ControlConnection {
  readonly hello: Hello;
  /** Rejects with the proxy's words, or when the connection breaks first. */
  request(question: Question): Promise<Answer>;
  readonly isOpen: boolean;
  /** Resolves when the connection is gone, for whatever reason. */
  readonly closed: Promise<void>;
  close(): void;
}

/** A proxy that says nothing for so long (it is stopped, or no proxy) counts as not there. */
const helloLimitMs = 3000;

/**
 * Resolves when the proxy has said hello. Rejects with the system's code (ENOENT, ECONNREFUSED) when nobody is there, and
 * after 3 s of silence.
 */
export function connectControl(path: string, clock: Clock): Promise<ControlConnection> {
  const socket = connect({ path });
  const reader = new LineReader(maxLineBytes);
  const waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  const hello = Promise.withResolvers<ControlConnection>();
  const closed = Promise.withResolvers<void>();
  let greeted = false;
  let nextId = 1;
  let failure = new Error(`The proxy closed its control socket ${path}`);

  const limit = clock.schedule(helloLimitMs, () => {
    failure = new Error(`The proxy behind ${path} said nothing for ${helloLimitMs / 1000} s`);
    socket.destroy();
  });

  const receive = (line: string) => {
    if (!greeted) {
      greeted = true;
      limit.cancel();
      hello.resolve({
        hello: parseHello(line),
        request,
        closed: closed.promise,
        close: () => socket.destroy(),
        get isOpen() {
          return !socket.destroyed;
        },
      });
      return;
    }
    const reply = parseReply(line);
    const question = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (reply.ok) question?.resolve(reply);
    else question?.reject(new Error(`The proxy answered: ${reply.error}`));
  };
  const request = (question: Question) =>
    new Promise<Answer>((resolve, reject) => {
      if (socket.destroyed) return reject(failure);
      const id = nextId++;
      waiting.set(id, { resolve, reject });
      socket.write(`${JSON.stringify({ id, ...question })}\n`);
    });

  socket.on("data", (chunk) => {
    try {
      for (const line of reader.push(chunk)) receive(line);
    } catch (error) {
      failure = error instanceof Error ? error : failure;
      socket.destroy();
    }
  });
  socket.on("error", (error) => {
    failure = error;
  });
  socket.on("end", () => socket.destroy());
  socket.on("close", () => {
    limit.cancel();
    hello.reject(failure);
    for (const { reject } of waiting.values()) reject(failure);
    waiting.clear();
    closed.resolve();
  });
  return hello.promise;
}
