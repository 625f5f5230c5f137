import { leaseKind } from "../../kinds/coordination/lease.ts";
import { nodeKind } from "../../kinds/core/node.ts";
import { type Pod, podKind } from "../../kinds/core/pod.ts";
import { ageOf } from "../../kinds/human_duration.ts";
import type { Observed } from "../../kinds/kind.ts";
import { formatQuantity, parseQuantity, type Quantity } from "../../kinds/quantity.ts";
import { isNotFound } from "../../kinds/status_error.ts";
import type { ApiConnection } from "../api_connection.ts";
import { readList, readObject } from "../object.ts";
import { eventLines } from "./events.ts";
import { annotationLines, longTime, pairLines } from "./lines.ts";
import { percentOf, podAmount, sumOf } from "./pod_resources.ts";
import type { Subject } from "./subject.ts";

const rolePrefix = "node-role.kubernetes.io/";

export async function describeNode({ api, name, nowMs }: Subject): Promise<string[]> {
  const { metadata, spec, status } = await readObject(api, nodeKind, undefined, name);
  const roles = Object.keys(metadata.labels ?? {})
    .filter((label) => label.startsWith(rolePrefix))
    .map((label) => label.slice(rolePrefix.length))
    .sort();
  const taints = (spec.taints ?? []).map(({ key, value, effect }) => `${key}${value ? `=${value}` : ""}:${effect}`);
  const info = status.nodeInfo;
  const pods = await readList(api, podKind, undefined, {
    fieldSelector: `spec.nodeName=${name},status.phase!=Succeeded,status.phase!=Failed`,
  });
  const events = { kind: "Node", namespace: undefined, name, uids: [metadata.uid, name] };
  return [
    `Name:\t${metadata.name}`,
    `Roles:\t${roles.join(",") || "<none>"}`,
    ...pairLines("Labels", metadata.labels),
    ...annotationLines(metadata),
    `CreationTimestamp:\t${longTime(metadata.creationTimestamp)}`,
    ...(taints.length === 0
      ? ["Taints:\t<none>"]
      : taints.map((taint, at) => `${at === 0 ? "Taints:" : ""}\t${taint}`)),
    `Unschedulable:\t${spec.unschedulable === true}`,
    ...(await leaseLines(api, name)),
    "Conditions:",
    "  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage",
    "  ----\t------\t-----------------\t------------------\t------\t-------",
    ...(status.conditions ?? []).map(
      (c) =>
        `  ${c.type} \t${c.status} \t${longTime(c.lastHeartbeatTime)} \t${longTime(c.lastTransitionTime)} \t${c.reason ?? ""} \t${c.message ?? ""}`,
    ),
    "Addresses:",
    ...(status.addresses ?? []).map(({ type, address }) => `  ${type}:\t${address}`),
    ...amountLines("Capacity", status.capacity),
    ...amountLines("Allocatable", status.allocatable),
    "System Info:",
    `  Machine ID:\t${info?.machineID ?? ""}`,
    `  System UUID:\t${info?.systemUUID ?? ""}`,
    `  Boot ID:\t${info?.bootID ?? ""}`,
    `  Kernel Version:\t${info?.kernelVersion ?? ""}`,
    `  OS Image:\t${info?.osImage ?? ""}`,
    `  Operating System:\t${info?.operatingSystem ?? ""}`,
    `  Architecture:\t${info?.architecture ?? ""}`,
    `  Container Runtime Version:\t${info?.containerRuntimeVersion ?? ""}`,
    `  Kubelet Version:\t${info?.kubeletVersion ?? ""}`,
    `  Kube-Proxy Version:\t${info?.kubeProxyVersion ?? ""}`,
    ...(spec.podCIDR ? [`PodCIDR:\t${spec.podCIDR}`] : []),
    ...(spec.podCIDRs ? [`PodCIDRs:\t${spec.podCIDRs.join(",")}`] : []),
    ...podLines(pods, status.allocatable ?? {}, nowMs),
    ...(await eventLines(api, events, nowMs)),
  ];
}

async function leaseLines(api: ApiConnection, name: string): Promise<string[]> {
  try {
    const { spec } = await readObject(api, leaseKind, "kube-node-lease", name);
    return [
      "Lease:",
      `  HolderIdentity:\t${spec?.holderIdentity ?? "<unset>"}`,
      `  AcquireTime:\t${longTime(spec?.acquireTime) || "<unset>"}`,
      `  RenewTime:\t${longTime(spec?.renewTime) || "<unset>"}`,
    ];
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return ["Lease:\tFailed to get lease: not found"];
  }
}

function amountLines(title: string, amounts: Readonly<Record<string, string>> | undefined): string[] {
  const names = Object.keys(amounts ?? {}).sort();
  return [`${title}:`, ...names.map((name) => `  ${name}:\t${amounts?.[name]}`)];
}

function podLines(
  pods: readonly Observed<Pod>[],
  allocatable: Readonly<Record<string, string>>,
  nowMs: number,
): string[] {
  const cell = (resource: string, amount: Quantity) =>
    `${formatQuantity(amount)} (${percentOf(amount, parseQuantity(allocatable[resource] ?? "0"))}%)`;
  const columns = [
    ["cpu", "requests"],
    ["cpu", "limits"],
    ["memory", "requests"],
    ["memory", "limits"],
  ] as const;
  const rows = pods.map((pod) => {
    const cells = columns.map(([resource, kind]) => cell(resource, podAmount(pod, resource, kind)));
    return `  ${pod.metadata.namespace}\t${pod.metadata.name}\t${cells.join("\t")}\t${ageOf(pod.metadata.creationTimestamp, nowMs)}`;
  });
  const total = (resource: string, kind: "requests" | "limits") =>
    cell(resource, sumOf(pods.map((pod) => podAmount(pod, resource, kind))));
  const title = `Non-terminated Pods:\t(${pods.length} in total)`;
  return [
    title,
    "  Namespace\tName\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge",
    "  ---------\t----\t------------\t----------\t---------------\t-------------\t---",
    ...rows,
    "Allocated resources:",
    "  (Total limits may be over 100 percent, i.e., overcommitted.)",
    "  Resource\tRequests\tLimits",
    "  --------\t--------\t------",
    ...["cpu", "memory", "ephemeral-storage"].map(
      (resource) => `  ${resource}\t${total(resource, "requests")}\t${total(resource, "limits")}`,
    ),
  ];
}
