import { ageColumn, nameColumn, shortList } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { ObjectMeta } from "../meta.ts";
import { type DeepReadonly, type Infer, int32, list, message, optional, required, string } from "../schema.ts";
import { duplicateValue, requiredValue } from "../status_error.ts";
import { checkDnsLabel, checkIp, checkOneOf, checkPortNumber, type Errors, protocols } from "../validation.ts";
import { ObjectReference } from "./reference.ts";
import { checkOrdinaryIp } from "./service_validation.ts";

export const EndpointAddress = message(
  "io.k8s.api.core.v1.EndpointAddress",
  {
    hostname: optional(3, string),
    ip: required(1, string),
    nodeName: optional(4, string),
    targetRef: optional(2, ObjectReference),
  },
  { mapType: "atomic" },
);
export type EndpointAddress = Infer<typeof EndpointAddress>;

export const EndpointPort = message(
  "io.k8s.api.core.v1.EndpointPort",
  {
    appProtocol: optional(4, string),
    name: optional(1, string),
    port: required(2, int32),
    protocol: optional(3, string),
  },
  { mapType: "atomic" },
);
export type EndpointPort = Infer<typeof EndpointPort>;

export const EndpointSubset = message("io.k8s.api.core.v1.EndpointSubset", {
  addresses: optional(1, list(EndpointAddress), { listType: "atomic" }),
  notReadyAddresses: optional(2, list(EndpointAddress), { listType: "atomic" }),
  ports: optional(3, list(EndpointPort), { listType: "atomic" }),
});
export type EndpointSubset = Infer<typeof EndpointSubset>;

export const Endpoints = message("io.k8s.api.core.v1.Endpoints", {
  apiVersion: optional([], string),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
  subsets: optional(2, list(EndpointSubset), { listType: "atomic" }),
});
export type Endpoints = Infer<typeof Endpoints>;

function addressesOf({ addresses = [], ports = [] }: DeepReadonly<EndpointSubset>): string[] {
  // A headless service may have no ports.
  if (ports.length === 0) return addresses.map(({ ip }) => ip);
  return ports.flatMap(({ port }) =>
    addresses.map(({ ip }) => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`)),
  );
}

function validateSubset({ addresses = [], notReadyAddresses = [], ports = [] }: EndpointSubset, path: string): Errors {
  const errors: Errors = [];
  if (addresses.length === 0 && notReadyAddresses.length === 0)
    errors.push(requiredValue(path, "must specify `addresses` or `notReadyAddresses`"));
  for (const [field, list] of Object.entries({ addresses, notReadyAddresses }))
    for (const [index, { ip, hostname }] of list.entries()) {
      const at = `${path}.${field}[${index}]`;
      const wrong = checkIp(ip, `${at}.ip`);
      errors.push(...(wrong.length > 0 ? wrong : checkOrdinaryIp(ip, `${at}.ip`)));
      if (hostname) errors.push(...checkDnsLabel(hostname, `${at}.hostname`));
    }
  const names = new Set<string>();
  for (const [index, { name = "", port, protocol }] of ports.entries()) {
    const at = `${path}.ports[${index}]`;
    if (name !== "") errors.push(...checkDnsLabel(name, `${at}.name`));
    else if (ports.length > 1) errors.push(requiredValue(`${at}.name`));
    if (name !== "" && names.has(name)) errors.push(duplicateValue(`${at}.name`, name));
    names.add(name);
    errors.push(
      ...checkPortNumber(port, `${at}.port`),
      ...checkOneOf(protocol, protocols, `${at}.protocol`, "required"),
    );
  }
  return errors;
}

export const endpointsKind = defineKind<typeof Endpoints>({
  group: "",
  version: "v1",
  kind: "Endpoints",
  plural: "endpoints",
  singular: "endpoints",
  shortNames: ["ep"],
  namespaced: true,
  schema: Endpoints,
  columns: [
    nameColumn,
    {
      name: "Endpoints",
      type: "string",
      description: "Addresses that are ready, with their ports; at most three are shown.",
      cell: ({ subsets = [] }) => shortList(subsets.flatMap(addressesOf), "<none>"),
    },
    ageColumn,
  ],
  defaults(endpoints) {
    for (const { ports = [] } of endpoints.subsets ?? []) for (const port of ports) port.protocol ||= "TCP";
  },
  validate: ({ subsets = [] }) => subsets.flatMap((subset, index) => validateSubset(subset, `subsets[${index}]`)),
  warnings: () => ["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"],
});
