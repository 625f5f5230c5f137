import type { Container, Probe } from "../../kinds/core/container.ts";
import type { PodSpec, PodTemplateSpec } from "../../kinds/core/pod_spec.ts";
import type { Volume } from "../../kinds/core/volume.ts";
import { integerValue, parseQuantity } from "../../kinds/quantity.ts";
import type { DeepReadonly } from "../../kinds/schema.ts";
import { type AnyMeta, isRecord } from "../object.ts";
import { annotationLines, pairLines } from "./lines.ts";

type ReadonlyContainer = DeepReadonly<Container>;

/** A pod template's lines, titled by the caller. */
export function podTemplateLines(template: DeepReadonly<PodTemplateSpec> | undefined, indent: string): string[] {
  if (template === undefined) return [`${indent}<unset>`];
  const { metadata, spec } = template;
  const lines = pairLines("Labels", metadata?.labels, { indent });
  if (Object.keys(metadata?.annotations ?? {}).length > 0) lines.push(...annotationLines(metadata ?? {}, indent));
  if (spec?.serviceAccountName) lines.push(`${indent}Service Account:\t${spec.serviceAccountName}`);
  if ((spec?.initContainers?.length ?? 0) > 0)
    lines.push(`${indent}Init Containers:`, ...containersLines(spec?.initContainers ?? [], ` ${indent}`));
  lines.push(`${indent}Containers:`, ...containersLines(spec?.containers ?? [], ` ${indent}`));
  lines.push(...volumeLines(spec?.volumes, indent));
  lines.push(...placementLines(spec, indent));
  return lines;
}

function containersLines(containers: readonly ReadonlyContainer[], indent: string): string[] {
  return containers.flatMap((container) => [
    `${indent}${container.name}:`,
    ...imageLines(container, `${indent} `),
    ...commandLines(container, `${indent} `),
    ...settingLines(container, `${indent} `),
  ]);
}

export function imageLines(
  { image, ports = [] }: ReadonlyContainer,
  indent: string,
  ids: readonly string[] = [],
): string[] {
  const port = (number: number | undefined, protocol = "TCP") => `${number ?? 0}/${protocol}`;
  const title = ports.length > 1 ? "Ports" : "Port";
  const inside = ports.map((p) => port(p.containerPort, p.protocol) + (p.name ? ` (${p.name})` : "")).join(", ");
  const host = ports.map((p) => port(p.hostPort, p.protocol) + (p.name ? ` (${p.name})` : "")).join(", ");
  const [containerId, imageId] = ids;
  return [
    ...(containerId === undefined ? [] : [`${indent}Container ID:\t${containerId}`]),
    `${indent}Image:\t${image ?? ""}`,
    ...(imageId === undefined ? [] : [`${indent}Image ID:\t${imageId}`]),
    `${indent}${title}:\t${inside || "<none>"}`,
    `${indent}Host ${title}:\t${host || "<none>"}`,
  ];
}

export function commandLines({ command = [], args = [] }: ReadonlyContainer, indent: string): string[] {
  const block = (title: string, words: readonly string[]) =>
    words.length === 0
      ? []
      : [`${indent}${title}:`, ...words.flatMap((word) => word.split("\n")).map((line) => `${indent}  ${line}`)];
  return [...block("Command", command), ...block("Args", args)];
}

/** Resources, probes, environment and mounts. */
export function settingLines(container: ReadonlyContainer, indent: string, pod?: AnyMeta): string[] {
  const lines: string[] = [];
  const amounts = (title: string, values: Readonly<Record<string, string>> | undefined) => {
    const names = Object.keys(values ?? {}).sort();
    if (names.length === 0) return;
    lines.push(`${indent}${title}:`, ...names.map((name) => `${indent}  ${name}:\t${values?.[name]}`));
  };
  amounts("Limits", container.resources?.limits);
  amounts("Requests", container.resources?.requests);
  if (container.livenessProbe) lines.push(`${indent}Liveness:\t${probeText(container.livenessProbe)}`);
  if (container.readinessProbe) lines.push(`${indent}Readiness:\t${probeText(container.readinessProbe)}`);
  if (container.startupProbe) lines.push(`${indent}Startup:\t${probeText(container.startupProbe)}`);
  for (const { prefix = "", configMapRef, secretRef } of container.envFrom ?? []) {
    if (lines.at(-1)?.startsWith(`${indent}  `) !== true) lines.push(`${indent}Environment Variables from:`);
    const from = configMapRef
      ? `ConfigMap\tOptional: ${configMapRef.optional === true}`
      : `Secret\tOptional: ${secretRef?.optional === true}`;
    const with_ = prefix === "" ? "" : ` with prefix '${prefix}'`;
    lines.push(`${indent}  ${configMapRef?.name ?? secretRef?.name ?? ""}\t${from.replace("\t", `${with_}\t`)}`);
  }
  const variables = container.env ?? [];
  lines.push(`${indent}Environment:${variables.length === 0 ? "\t<none>" : ""}`);
  for (const { name, value = "", valueFrom } of variables)
    lines.push(
      `${indent}  ${name}:\t${valueFrom ? sourceText(valueFrom, container, pod) : value.split("\n").join(`\n${indent}  \t`)}`,
    );
  const mounts = container.volumeMounts ?? [];
  lines.push(`${indent}Mounts:${mounts.length === 0 ? "\t<none>" : ""}`);
  for (const { mountPath, name, readOnly, subPath } of [...mounts].sort((a, b) =>
    a.mountPath < b.mountPath ? -1 : 1,
  )) {
    const flags = [readOnly === true ? "ro" : "rw", ...(subPath ? [`path="${subPath}"`] : [])];
    lines.push(`${indent}  ${mountPath} from ${name} (${flags.join(",")})`);
  }
  return lines;
}

type ValueFrom = NonNullable<NonNullable<ReadonlyContainer["env"]>[number]["valueFrom"]>;

function sourceText(source: ValueFrom, container: ReadonlyContainer, pod: AnyMeta | undefined): string {
  const { configMapKeyRef, secretKeyRef, fieldRef, resourceFieldRef } = source;
  if (configMapKeyRef)
    return `<set to the key '${configMapKeyRef.key}' of config map '${configMapKeyRef.name ?? ""}'>\tOptional: ${configMapKeyRef.optional === true}`;
  if (secretKeyRef)
    return `<set to the key '${secretKeyRef.key}' in secret '${secretKeyRef.name ?? ""}'>\tOptional: ${secretKeyRef.optional === true}`;
  if (fieldRef) {
    const known = /^metadata\.(name|namespace|uid)$/.exec(fieldRef.fieldPath)?.[1] ?? "";
    return `${pod?.[known] ?? ""} (${fieldRef.apiVersion ?? "v1"}:${fieldRef.fieldPath})`;
  }
  return resourceFieldRef ? `${amountText(container, resourceFieldRef.resource)} (${resourceFieldRef.resource})` : "";
}

/** "limits.cpu" of a container in whole cores, "limits.memory" in bytes. */
function amountText(container: ReadonlyContainer, path: string): string {
  const [kind, resource = ""] = path.split(".");
  const amounts = kind === "limits" ? container.resources?.limits : container.resources?.requests;
  const amount = amounts?.[resource];
  return amount === undefined ? "node allocatable" : String(integerValue(parseQuantity(amount)));
}

function probeText(probe: DeepReadonly<Probe>): string {
  const timing = `delay=${probe.initialDelaySeconds ?? 0}s timeout=${probe.timeoutSeconds ?? 1}s period=${probe.periodSeconds ?? 10}s #success=${probe.successThreshold ?? 1} #failure=${probe.failureThreshold ?? 3}`;
  const { exec, httpGet, tcpSocket, grpc } = probe;
  if (exec) return `exec [${(exec.command ?? []).join(" ")}] ${timing}`;
  if (httpGet)
    return `http-get ${(httpGet.scheme ?? "HTTP").toLowerCase()}://${httpGet.host ?? ""}:${httpGet.port}${httpGet.path ?? ""} ${timing}`;
  if (tcpSocket) return `tcp-socket ${tcpSocket.host ?? ""}:${tcpSocket.port} ${timing}`;
  if (grpc) return `grpc <pod>:${grpc.port} ${grpc.service ?? ""} ${timing}`;
  return `unknown ${timing}`;
}

const volumeWords: Readonly<Record<string, string>> = {
  emptyDir: "EmptyDir (a temporary directory that shares a pod's lifetime)",
  hostPath: "HostPath (bare host directory volume)",
  configMap: "ConfigMap (a volume populated by a ConfigMap)",
  secret: "Secret (a volume populated by a Secret)",
  projected: "Projected (a volume that contains injected data from multiple sources)",
  persistentVolumeClaim: "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
  downwardAPI: "DownwardAPI (a volume populated by information about the pod)",
  nfs: "NFS (an NFS mount that lasts the lifetime of a pod)",
};
/** Shown also where the manifest does not say them; in this order. */
const volumeDefaults: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  emptyDir: { medium: "", sizeLimit: "<unset>" },
  configMap: { name: "", optional: false },
  secret: { secretName: "", optional: false },
};
const fieldWords: Readonly<Record<string, string>> = {
  secretName: "SecretName",
  name: "Name",
  optional: "Optional",
  path: "Path",
  type: "HostPathType",
  medium: "Medium",
  sizeLimit: "SizeLimit",
  claimName: "ClaimName",
  readOnly: "ReadOnly",
  server: "Server",
};

export function volumeLines(volumes: readonly DeepReadonly<Volume>[] | undefined, indent: string): string[] {
  if (volumes === undefined || volumes.length === 0) return [`${indent}Volumes:\t<none>`];
  const lines = [`${indent}Volumes:`];
  const inner = "    ";
  for (const { name, ...sources } of volumes) {
    lines.push(`${indent === "" ? "  " : `${indent} `}${name}:`);
    const [type, source] = Object.entries(sources).find(([, value]) => value !== undefined) ?? ["unknown", {}];
    lines.push(`${inner}Type:\t${volumeWords[type] ?? type}`);
    if (!isRecord(source)) continue;
    const fields: Record<string, unknown> = source;
    const shown = { ...volumeDefaults[type], ...fields };
    for (const [field, value] of Object.entries(shown))
      if (fieldWords[field] !== undefined && typeof value !== "object")
        lines.push(`${inner}${fieldWords[field]}:\t${value}`);
    if (type === "projected" && Array.isArray(fields.sources))
      lines.push(...fields.sources.filter(isRecord).flatMap((part) => projectedLines(part, inner)));
  }
  return lines;
}

function projectedLines(source: Record<string, unknown>, indent: string): string[] {
  const { serviceAccountToken, configMap, secret } = source;
  if (isRecord(serviceAccountToken))
    return [`${indent}TokenExpirationSeconds:\t${serviceAccountToken.expirationSeconds ?? 3600}`];
  if (isRecord(configMap))
    return [`${indent}ConfigMapName:\t${configMap.name}`, `${indent}Optional:\t${configMap.optional === true}`];
  if (isRecord(secret))
    return [`${indent}SecretName:\t${secret.name}`, `${indent}Optional:\t${secret.optional === true}`];
  return [`${indent}DownwardAPI:\ttrue`];
}

export function placementLines(spec: DeepReadonly<PodSpec> | undefined, indent = ""): string[] {
  return [
    ...pairLines("Node-Selectors", spec?.nodeSelector, { indent }),
    ...tolerationLines(spec?.tolerations, indent),
  ];
}

function tolerationLines(tolerations: DeepReadonly<PodSpec>["tolerations"], indent: string): string[] {
  if (tolerations === undefined || tolerations.length === 0) return [`${indent}Tolerations:\t<none>`];
  const sorted = [...tolerations].sort((a, b) =>
    (a.key ?? "") < (b.key ?? "") ? -1 : (a.key ?? "") > (b.key ?? "") ? 1 : 0,
  );
  return sorted.map(({ key = "", operator, value = "", effect = "", tolerationSeconds }, at) => {
    const head = at === 0 ? "Tolerations:" : "";
    const whole =
      key +
      (value === "" ? "" : `=${value}`) +
      (effect === "" ? "" : `:${effect}`) +
      (operator === "Exists" ? " op=Exists" : "");
    return `${indent}${head}\t${whole.trimStart()}${tolerationSeconds === undefined ? "" : ` for ${tolerationSeconds}s`}`;
  });
}
