import { sleep } from "../../env/clock.ts";
import { realClock } from "../../env/real/clock.ts";
import { allKinds } from "../../kinds/all.ts";
import { KindRegistry } from "../../kinds/registry.ts";
import { GroupAuthorizer } from "../authorization.ts";
import type { ApiCore, CoreEvent, CoreRequest, CoreResponse, CoreWatchRequest } from "../core.ts";
import { silentLog } from "../registry/cluster.test_support.ts";
import { createHttpHandler } from "./app.ts";
import { createAuthenticator, knownToken } from "./authentication.ts";
import type { HttpOptions } from "./options.ts";

export const token = "a-token-for-tests-only";

/** A core that notes what it is asked and answers what the test says. */
export class FakeCore implements ApiCore {
  readonly calls: CoreRequest[] = [];
  readonly watches: { readonly request: CoreWatchRequest; readonly signal: AbortSignal }[] = [];
  answer: (request: CoreRequest) => CoreResponse = () => ({ code: 200, object: {}, warnings: [] });
  events: (signal: AbortSignal) => AsyncIterable<CoreEvent> = async function* () {};

  async call(request: CoreRequest): Promise<CoreResponse> {
    this.calls.push(request);
    return this.answer(request);
  }
  watch(request: CoreWatchRequest, signal: AbortSignal): AsyncIterable<CoreEvent> {
    this.watches.push({ request, signal });
    return this.events(signal);
  }
  get last(): CoreRequest {
    const call = this.calls.at(-1);
    if (!call) throw new Error("the core was not called");
    return call;
  }
}

export function testServer(options: Partial<HttpOptions> = {}) {
  const core = new FakeCore();
  const handler = createHttpHandler({
    core,
    kinds: new KindRegistry(allKinds),
    authenticate: createAuthenticator(() => [knownToken(token, { name: "admin", groups: ["system:masters"] })]),
    authorizer: new GroupAuthorizer(),
    kubelets: () => undefined,
    clock: realClock,
    log: silentLog,
    build: { version: "0.1.0" },
    ...options,
  });
  const peer = { address: "127.0.0.1" };
  const url = (path: string) => `https://localhost:6443${path}`;
  return {
    core,
    handler,
    /** As an administrator. */
    fetch(path: string, init: RequestInit = {}): Promise<Response> {
      const headers = new Headers(init.headers);
      headers.set("authorization", `Bearer ${token}`);
      return handler.fetch(new Request(url(path), { ...init, headers }), peer);
    },
    /** With nothing but what `init` says. */
    fetchPlain(path: string, init: RequestInit = {}): Promise<Response> {
      return handler.fetch(new Request(url(path), init), peer);
    },
    upgrade(path: string, headers: Record<string, string> = {}) {
      const request = new Request(url(path), {
        headers: {
          authorization: `Bearer ${token}`,
          upgrade: "websocket",
          "sec-websocket-protocol": "v5.channel.k8s.io",
          ...headers,
        },
      });
      return handler.upgrade(request, peer);
    },
  };
}

/** Waits until `condition` holds; fails after two seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    if (condition()) return;
    await sleep(realClock, 5);
  }
  throw new Error(`not in time: ${what}`);
}

export function pod(name: string, extra: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "default",
      uid: `uid-${name}`,
      resourceVersion: "7",
      creationTimestamp: "2026-01-01T00:00:00Z",
    },
    spec: { nodeName: "n1", containers: [{ name: "main", image: "x" }] },
    status: { phase: "Running" },
    ...extra,
  };
}
