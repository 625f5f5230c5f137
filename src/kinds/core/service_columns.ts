import { ageColumn, nameColumn, wide } from "../columns.ts";
import type { Column } from "../kind.ts";
import { labelsText } from "../label_selector.ts";
import type { ObjectMeta } from "../meta.ts";
import type { DeepReadonly } from "../schema.ts";
import type { ServiceSpec, ServiceStatus } from "./service_spec.ts";

export interface ServiceView {
  readonly metadata: DeepReadonly<ObjectMeta>;
  readonly spec: DeepReadonly<ServiceSpec>;
  readonly status: DeepReadonly<ServiceStatus>;
}

function externalIp({ spec, status }: ServiceView): string {
  const own = spec.externalIPs ?? [];
  switch (spec.type) {
    case "LoadBalancer": {
      const given = new Set((status.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || ""));
      given.delete("");
      const all = [...[...given].sort(), ...own];
      return all.length > 0 ? all.join(",") : "<pending>";
    }
    case "ExternalName":
      return spec.externalName ?? "";
    default:
      return own.length > 0 ? own.join(",") : "<none>";
  }
}

function portsText({ spec }: ServiceView): string {
  const ports = (spec.ports ?? []).map(({ port, nodePort, protocol = "TCP" }) =>
    nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
  );
  return ports.length > 0 ? ports.join(",") : "<none>";
}

export const serviceColumns: readonly Column<ServiceView>[] = [
  nameColumn,
  {
    name: "Type",
    type: "string",
    description: "How the service is reached.",
    cell: ({ spec }) => spec.type ?? "",
  },
  {
    name: "Cluster-IP",
    type: "string",
    description: "The virtual address inside the cluster.",
    cell: ({ spec }) => spec.clusterIPs?.[0] || spec.clusterIP || "<none>",
  },
  {
    name: "External-IP",
    type: "string",
    description: "Addresses outside the cluster.",
    cell: externalIp,
  },
  {
    name: "Port(s)",
    type: "string",
    description: "Ports, each with its port on the nodes and its protocol.",
    cell: portsText,
  },
  ageColumn,
  wide({
    name: "Selector",
    type: "string",
    description: "The labels of the pods that answer.",
    cell: ({ spec }) => labelsText(spec.selector),
  }),
];
