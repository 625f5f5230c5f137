/**
 * The wiring of pods as an effect: our own bridge, veth pairs and routes; never the engine's networks. Real in
 * pod_network.ts, simulated in sim/. Address management is pure and the kubelet's (address_pool.ts).
 */
export interface PodNetwork {
  /**
   * Makes the node's side true: bridge with `gateway`, forwarding, masquerade of what leaves `clusterCidr`, accepts
   * where the engine closed FORWARD. Idempotent; pieces of a crashed run are reused or removed.
   */
  prepareNode(config: NodeNetworkConfig): Promise<void>;
  /**
   * Makes the way to other nodes' pods true: each of their networks through its node, and no others. Rejects when a node is not
   * on a network that this one is on too. Idempotent.
   */
  setRoutes(routes: readonly NodeRoute[]): Promise<void>;
  /** Wires the network namespace of process `pid`: loopback up, eth0 with `address`, default route. Idempotent. */
  attach(podUid: string, pid: number, address: string): Promise<void>;
  /** Removes the host's side; no error when it is gone. */
  detach(podUid: string): Promise<void>;
  /** Removes everything that prepareNode made. */
  removeNode(): Promise<void>;
}

export interface NodeNetworkConfig {
  /** This node's share of the cluster CIDR: "10.42.0.0/24". */
  readonly podCidr: string;
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  readonly mtu?: number;
}

export interface NodeRoute {
  /** "10.42.1.0/24" */
  readonly podCidr: string;
  /** The node's address. */
  readonly via: string;
}
