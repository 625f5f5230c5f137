import { endpointsKind } from "../../kinds/core/endpoints.ts";
import { endpointSliceKind } from "../../kinds/discovery/endpoint_slice.ts";
import { readObject } from "../object.ts";
import { eventLines } from "./events.ts";
import { annotationLines, pairLines } from "./lines.ts";
import type { Subject } from "./subject.ts";

interface Port {
  readonly name?: string | undefined;
  readonly port?: number | undefined;
  readonly protocol?: string | undefined;
}

function portLines(ports: readonly Port[], indent: string): string[] {
  return [
    `${indent}Ports:`,
    `${indent}  Name\tPort\tProtocol`,
    `${indent}  ----\t----\t--------`,
    ...ports.map(({ name, port, protocol }) => `${indent}  ${name || "<unset>"}\t${port ?? ""}\t${protocol ?? ""}`),
  ];
}

export async function describeEndpoints({ api, namespace, name, nowMs }: Subject): Promise<string[]> {
  const { metadata, subsets = [] } = await readObject(api, endpointsKind, namespace, name);
  const ips = (addresses: readonly { readonly ip: string }[] = []) =>
    addresses.map(({ ip }) => ip).join(",") || "<none>";
  const lines = [
    `Name:\t${metadata.name}`,
    `Namespace:\t${metadata.namespace ?? ""}`,
    ...pairLines("Labels", metadata.labels),
    ...annotationLines(metadata),
    "Subsets:",
  ];
  for (const { addresses, notReadyAddresses, ports = [] } of subsets) {
    lines.push(`  Addresses:\t${ips(addresses)}`, `  NotReadyAddresses:\t${ips(notReadyAddresses)}`);
    if (ports.length > 0) lines.push(...portLines(ports, "  "));
    lines.push("");
  }
  const about = { kind: "Endpoints", namespace: metadata.namespace, name, uids: [metadata.uid] };
  return [...lines, ...(await eventLines(api, about, nowMs))];
}

export async function describeEndpointSlice({ api, namespace, name, nowMs }: Subject): Promise<string[]> {
  const slice = await readObject(api, endpointSliceKind, namespace, name);
  const { metadata, addressType, ports = [], endpoints } = slice;
  const lines = [
    `Name:\t${metadata.name}`,
    `Namespace:\t${metadata.namespace ?? ""}`,
    ...pairLines("Labels", metadata.labels),
    ...annotationLines(metadata),
    `AddressType:\t${addressType}`,
    ...(ports.length === 0 ? ["Ports: <unset>"] : portLines(ports, "")),
    (endpoints ?? []).length === 0 ? "Endpoints: <none>" : "Endpoints:",
  ];
  for (const { addresses, conditions, hostname, targetRef, nodeName, zone } of endpoints ?? []) {
    lines.push(`  - Addresses:\t${addresses.join(", ")}`, "    Conditions:");
    lines.push(`      Ready:\t${conditions?.ready ?? "<unset>"}`);
    lines.push(`    Hostname:\t${hostname || "<unset>"}`);
    if (targetRef !== undefined) lines.push(`    TargetRef:\t${targetRef.kind}/${targetRef.name}`);
    lines.push(`    NodeName:\t${nodeName || "<unset>"}`, `    Zone:\t${zone || "<unset>"}`);
  }
  const about = { kind: "EndpointSlice", namespace: metadata.namespace, name, uids: [metadata.uid] };
  return [...lines, ...(await eventLines(api, about, nowMs))];
}
