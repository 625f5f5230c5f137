/** What the kubelet asks of the proxy before it ends a pod. */
export interface EndpointGate {
  /**
   * Resolves when no new connection goes to `address` any more, or when waiting for that has become pointless; at once when no
   * Service had it. `podUid` tells apart pods that share their node's address. Never rejects.
   */
  withdrawn(address: string, signal: AbortSignal, podUid?: string): Promise<void>;
}

/** For a node without a proxy: nothing sends connections to pods by a Service. */
export const noEndpointGate: EndpointGate = { withdrawn: () => Promise.resolve() };
