import { ageColumn, nameColumn, shortList } from "../columns.ts";
import { ObjectReference } from "../core/reference.ts";
import { checkOrdinaryIp } from "../core/service_validation.ts";
import { ipFamily } from "../ip.ts";
import { defineKind } from "../kind.ts";
import { ObjectMeta } from "../meta.ts";
import { dnsSubdomainProblems } from "../names.ts";
import { boolean, type Infer, int32, list, map, message, optional, required, string } from "../schema.ts";
import { duplicateValue, invalidValue, requiredValue } from "../status_error.ts";
import {
  checkDnsLabel,
  checkImmutable,
  checkName,
  checkOneOf,
  checkPortNumber,
  checkQualifiedName,
  type Errors,
  protocols,
  tooMany,
} from "../validation.ts";

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

const mostEndpoints = 1000;
const mostAddresses = 100;
const mostPorts = 20_000;

function validateSlice({ addressType, endpoints, ports = [] }: EndpointSlice): Errors {
  const errors = checkOneOf(addressType, ["FQDN", "IPv4", "IPv6"], "addressType", "required");
  if (endpoints.length > mostEndpoints) return [...errors, tooMany("endpoints", endpoints.length, mostEndpoints)];
  for (const [index, endpoint] of endpoints.entries())
    errors.push(...validateEndpoint(endpoint, addressType, `endpoints[${index}]`));
  if (ports.length > mostPorts) return [...errors, tooMany("ports", ports.length, mostPorts)];
  const names = new Set<string>();
  for (const [index, { name = "", protocol, port, appProtocol }] of ports.entries()) {
    const at = `ports[${index}]`;
    if (name !== "") errors.push(...checkDnsLabel(name, `${at}.name`));
    if (names.has(name)) errors.push(duplicateValue(`${at}.name`, name));
    names.add(name);
    errors.push(...checkOneOf(protocol, protocols, `${at}.protocol`, "required"));
    if (port !== undefined) errors.push(...checkPortNumber(port, `${at}.port`));
    if (appProtocol !== undefined) errors.push(...checkQualifiedName(appProtocol, `${at}.appProtocol`));
  }
  return errors;
}

function validateEndpoint({ addresses, hostname, nodeName }: Endpoint, addressType: string, path: string): Errors {
  const errors: Errors = [];
  if (addresses.length === 0) errors.push(requiredValue(`${path}.addresses`, "must contain at least 1 address"));
  if (addresses.length > mostAddresses) errors.push(tooMany(`${path}.addresses`, addresses.length, mostAddresses));
  const seen = new Set<string>();
  for (const [index, address] of addresses.entries()) {
    const at = `${path}.addresses[${index}]`;
    if (seen.has(address)) errors.push(duplicateValue(at, address));
    seen.add(address);
    if (addressType === "FQDN") errors.push(...checkName(dnsSubdomainProblems, address, at));
    else if (addressType === "IPv4" || addressType === "IPv6")
      errors.push(
        ...(ipFamily(address) === addressType
          ? checkOrdinaryIp(address, at)
          : [invalidValue(at, address, `must be a valid ${addressType} address`)]),
      );
  }
  if (hostname !== undefined) errors.push(...checkDnsLabel(hostname, `${path}.hostname`));
  if (nodeName !== undefined) errors.push(...checkName(dnsSubdomainProblems, nodeName, `${path}.nodeName`));
  return errors;
}

export const endpointSliceKind = defineKind<typeof EndpointSlice>({
  group: "discovery.k8s.io",
  version: "v1",
  kind: "EndpointSlice",
  plural: "endpointslices",
  singular: "endpointslice",
  namespaced: true,
  schema: EndpointSlice,
  generation: true,
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
  validate: (slice, { old }) => [
    ...validateSlice(slice),
    ...(old === undefined ? [] : checkImmutable(slice.addressType, old.addressType, "addressType")),
  ],
});
