import type { ApiCore, Identity } from "./api/core.ts";
import type { ApiCall, Transport, TransportEvent, WatchCall } from "./client/transport.ts";

/**
 * The client's door straight into the API: same registry, identity, authorization and admission as over HTTP, without
 * serialising. Objects are shared with the API's cache; a body that is handed in is copied, because the API keeps it.
 */
export function inProcessTransport(
  core: ApiCore,
  identity: Identity,
  fieldManager: string,
  /** Given, writes are void once another term has begun. */
  term?: number,
): Transport {
  return {
    async send(call: ApiCall): Promise<unknown> {
      const { object } = await core.call({
        identity,
        verb: call.verb,
        resource: call.resource,
        namespace: call.namespace,
        name: call.name,
        subresource: call.subresource,
        query: call.query ?? {},
        // The caller may go on using parts of it, and may have built it from shared objects.
        body: call.body === undefined ? undefined : structuredClone(call.body),
        patchType: call.patchType,
        userAgent: fieldManager,
        term,
      });
      return object;
    },
    async *watch(call: WatchCall, signal: AbortSignal): AsyncIterable<TransportEvent> {
      const { resource, namespace, query = {} } = call;
      yield* core.watch({ identity, resource, namespace, query }, signal);
    },
  };
}

/** Who the parts of Wherry are to its own API. */
export function componentIdentity(name: string, ...groups: string[]): Identity {
  return { name, groups: [...groups, "system:authenticated"] };
}
