/**
 * What the control plane tells the proxy process: the whole desired state, every time (no deltas to lose). It is small: one
 * to three servers. Versioned, because a running proxy outlives an upgrade of the control plane. The proxy keeps the last
 * state in a file, so that it can start again without the control plane.
 */
export interface ProxyState {
  readonly version: 1;
  /** Grows with each state of one control-plane run; only for logs and acknowledgements. */
  readonly generation: number;
  readonly serviceCidr: string;
  readonly clusterCidr: string;
  readonly nodePortRange: { readonly from: number; readonly to: number };
  readonly listeners: readonly Listener[];
}

/** One frontend (ClusterIP:port or NodePort) and the endpoints behind it. */
export interface Listener {
  /** "namespace/name:portName/TCP", plus "/node" for a NodePort: stable over changes of its endpoints. */
  readonly key: string;
  readonly protocol: "TCP" | "UDP";
  readonly frontend:
    | { readonly type: "clusterIP"; readonly address: string; readonly port: number }
    | { readonly type: "nodePort"; readonly port: number };
  /** Ready endpoints only. Connections to one that has left are not cut: they drain. */
  readonly endpoints: readonly EndpointAddress[];
  /** sessionAffinity ClientIP: a client keeps its endpoint until it was silent for so long. Seconds; absent: none. */
  readonly affinitySeconds?: number;
}

export interface EndpointAddress {
  readonly address: string;
  readonly port: number;
}

/** The control plane's end of the control socket. */
export interface ProxyLink {
  /** Resolves when the proxy has carried the state out: a kubelet that waits for it may then end a container. */
  apply(state: ProxyState): Promise<void>;
}
