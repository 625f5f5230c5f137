import type { HttpClient, HttpHandler, HttpServer, Listening, ListenOptions, Peer } from "../env/http.ts";

/** HTTP without a network: requests are function calls. Hono settles on microtasks alone, so virtual time suffices. */
export class SimulatedHttp implements HttpServer {
  readonly #handlers = new Map<number, HttpHandler>();
  /** What cuts each connection that is under way. */
  readonly #connections = new Set<(error: Error) => void>();
  #nextPort = 40_000;

  async listen(options: ListenOptions, handler: HttpHandler): Promise<Listening> {
    const port = options.port === 0 ? this.#nextPort++ : options.port;
    if (this.#handlers.has(port)) throw new Error(`Cannot listen on port ${port}: it is taken`);
    this.#handlers.set(port, handler);
    return {
      port,
      renew: () => undefined,
      close: async () => {
        this.#handlers.delete(port);
      },
    };
  }

  /** The serving process is gone: its ports are free, its connections are cut. */
  cut(): void {
    this.#handlers.clear();
    for (const cut of [...this.#connections]) cut(new Error("connection reset by peer"));
  }

  /** What a client on the wire would get. Rejects when nobody listens, and when the server goes before it has answered. */
  async fetch(port: number, request: Request, peer: Peer = { address: "127.0.0.1" }): Promise<Response> {
    const handler = this.#handlers.get(port);
    if (handler === undefined) throw new Error(`Connection refused: nobody listens on port ${port}`);
    const { promise: broken, reject } = Promise.withResolvers<never>();
    broken.catch(() => undefined);
    const abort = () => reject(request.signal.reason);
    this.#connections.add(reject);
    request.signal.addEventListener("abort", abort, { once: true });
    const over = () => {
      this.#connections.delete(reject);
      request.signal.removeEventListener("abort", abort);
    };
    let response: Response;
    try {
      response = await Promise.race([handler.fetch(request, peer), broken]);
    } catch (error) {
      over();
      throw error;
    }
    const { body } = response;
    if (body === null || response.headers.has("content-length")) {
      over();
      return response;
    }
    const reader = body.getReader();
    const cuttable = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          try {
            const { done, value } = await Promise.race([reader.read(), broken]);
            if (!done) return controller.enqueue(value);
            over();
            controller.close();
          } catch (error) {
            over();
            void reader.cancel().catch(() => undefined);
            controller.error(error);
          }
        },
        cancel() {
          over();
          return reader.cancel();
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(cuttable, { status: response.status, headers: response.headers });
  }

  /** A client on the same machine; a URL's port says which server it reaches. */
  client(): HttpClient {
    return {
      fetch: (url, { tls: _tls, ...init } = {}) => this.fetch(Number(new URL(url).port), new Request(url, init)),
    };
  }
}
