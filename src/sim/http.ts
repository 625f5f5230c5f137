import type { HttpHandler, HttpServer, Listening, ListenOptions, Peer } from "../env/http.ts";

/** HTTP without a network: requests are function calls. Hono settles on microtasks alone, so virtual time suffices. */
export class SimulatedHttp implements HttpServer {
  readonly #handlers = new Map<number, HttpHandler>();
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

  /** What a client on the wire would get. Rejects when nobody listens. */
  async fetch(port: number, request: Request, peer: Peer = { address: "127.0.0.1" }): Promise<Response> {
    const handler = this.#handlers.get(port);
    if (handler === undefined) throw new Error(`Connection refused: nobody listens on port ${port}`);
    return handler.fetch(request, peer);
  }
}
