import { ageColumn, nameColumn, shortList } from "../columns.ts";
import { ObjectReference } from "../core/reference.ts";
import { defineKind } from "../kind.ts";
import { ObjectMeta } from "../meta.ts";
import { boolean, type Infer, int32, list, map, message, optional, required, string } from "../schema.ts";

export const EndpointConditions = message("io.k8s.api.discovery.v1.EndpointConditions", {
  ready: optional(1, boolean),
  serving: optional(2, boolean),
  terminating: optional(3, boolean),
});
export type EndpointConditions = Infer<typeof EndpointConditions>;

export const ForNode = message("io.k8s.api.discovery.v1.ForNode", {
  name: required(1, string),
});
export type ForNode = Infer<typeof ForNode>;

export const ForZone = message("io.k8s.api.discovery.v1.ForZone", {
  name: required(1, string),
});
export type ForZone = Infer<typeof ForZone>;

export const EndpointHints = message("io.k8s.api.discovery.v1.EndpointHints", {
  forNodes: optional(2, list(ForNode), { listType: "atomic" }),
  forZones: optional(1, list(ForZone), { listType: "atomic" }),
});
export type EndpointHints = Infer<typeof EndpointHints>;

export const Endpoint = message("io.k8s.api.discovery.v1.Endpoint", {
  addresses: required(1, list(string), { listType: "set" }),
  conditions: optional(2, EndpointConditions),
  deprecatedTopology: optional(5, map(string)),
  hints: optional(8, EndpointHints),
  hostname: optional(3, string),
  nodeName: optional(6, string),
  targetRef: optional(4, ObjectReference),
  zone: optional(7, string),
});
export type Endpoint = Infer<typeof Endpoint>;

export const EndpointPort = message(
  "io.k8s.api.discovery.v1.EndpointPort",
  {
    appProtocol: optional(4, string),
    name: optional(1, string),
    port: optional(3, int32),
    protocol: optional(2, string),
  },
  { mapType: "atomic" },
);
export type EndpointPort = Infer<typeof EndpointPort>;

export const EndpointSlice = message("io.k8s.api.discovery.v1.EndpointSlice", {
  addressType: required(4, string),
  apiVersion: optional([], string),
  endpoints: required(2, list(Endpoint), { listType: "atomic" }),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
  ports: optional(3, list(EndpointPort), { listType: "atomic" }),
});
export type EndpointSlice = Infer<typeof EndpointSlice>;

export const endpointSliceKind = defineKind<typeof EndpointSlice>({
  group: "discovery.k8s.io",
  version: "v1",
  kind: "EndpointSlice",
  plural: "endpointslices",
  singular: "endpointslice",
  namespaced: true,
  schema: EndpointSlice,
  columns: [
    nameColumn,
    {
      name: "AddressType",
      type: "string",
      description: "IPv4, IPv6 or FQDN.",
      cell: ({ addressType }) => addressType,
    },
    {
      name: "Ports",
      type: "string",
      description: "The ports of every address; at most three are shown.",
      cell: ({ ports = [] }) =>
        shortList(
          ports.map(({ port, name }) => String(port ?? (name || "*"))),
          "<unset>",
        ),
    },
    {
      name: "Endpoints",
      type: "string",
      description: "Addresses; at most three are shown.",
      cell: ({ endpoints }) =>
        shortList(
          endpoints.flatMap(({ addresses }) => addresses),
          "<unset>",
        ),
    },
    ageColumn,
  ],
  defaults(slice) {
    for (const port of slice.ports ?? []) {
      port.name ??= "";
      port.protocol ||= "TCP";
    }
  },
});
