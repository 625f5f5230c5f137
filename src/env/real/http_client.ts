import { request as plainRequest } from "node:http";
import { request as secureRequest } from "node:https";
import type { Readable } from "node:stream";
import type { HttpClient } from "../http.ts";

type Init = NonNullable<Parameters<HttpClient["fetch"]>[1]>;

/**
 * fetch that takes PEM. Bun's own fetch knows `tls`; node:https serves on Node and Deno, whose fetch takes no
 * certificates.
 */
export const realHttpClient: HttpClient = {
  fetch: (url, init = {}) => ("Bun" in globalThis ? fetchOnBun(url, init) : fetchOnNode(url, init)),
};

function fetchOnBun(url: string, init: Init): Promise<Response> {
  const { tls, ...rest } = init;
  // Bun's fetch takes more than the standard's RequestInit: `tls`, and `timeout: false` for watches that last.
  const extended: RequestInit & { tls?: object; timeout?: boolean } = { ...rest, timeout: false };
  if (tls) {
    extended.tls = {
      ...(tls.caPem === undefined ? {} : { ca: tls.caPem }),
      ...(tls.certificatePem === undefined ? {} : { cert: tls.certificatePem }),
      ...(tls.privateKeyPem === undefined ? {} : { key: tls.privateKeyPem }),
      ...(tls.insecureSkipVerify ? { rejectUnauthorized: false } : {}),
    };
  }
  return fetch(url, extended);
}

function fetchOnNode(url: string, init: Init): Promise<Response> {
  const headers: Record<string, string> = {};
  for (const [name, value] of new Headers(init.headers)) headers[name] = value;
  const { tls, body } = init;
  if (body !== undefined && body !== null && typeof body !== "string" && !(body instanceof Uint8Array))
    throw new TypeError("Cannot send this body: only strings and bytes are supported");

  return new Promise((resolve, reject) => {
    const request = (url.startsWith("https:") ? secureRequest : plainRequest)(url, {
      method: init.method ?? "GET",
      headers,
      ...(init.signal ? { signal: init.signal } : {}),
      ...(tls?.caPem === undefined ? {} : { ca: tls.caPem }),
      ...(tls?.certificatePem === undefined ? {} : { cert: tls.certificatePem }),
      ...(tls?.privateKeyPem === undefined ? {} : { key: tls.privateKeyPem }),
      ...(tls?.insecureSkipVerify ? { rejectUnauthorized: false } : {}),
    });
    request.once("error", reject);
    request.once("response", (incoming) => {
      const answered = new Headers();
      for (const [name, value] of Object.entries(incoming.headers))
        for (const one of Array.isArray(value) ? value : [value ?? ""]) answered.append(name, one);
      const status = incoming.statusCode ?? 500;
      const empty = status === 204 || status === 304 || init.method === "HEAD";
      if (empty) incoming.resume();
      resolve(new Response(empty ? null : streamOf(incoming), { status, headers: answered }));
    });
    request.end(body ?? undefined);
  });
}

function streamOf(readable: Readable): ReadableStream<Uint8Array> {
  const chunks = readable[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel() {
      readable.destroy();
    },
  });
}
