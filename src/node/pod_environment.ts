/** A container's environment and the $(VAR) references in its words. Pure: the objects it refers to are handed in. */
import type { ConfigMap } from "../kinds/core/config_map.ts";
import type { Container } from "../kinds/core/container.ts";
import type { Pod } from "../kinds/core/pod.ts";
import type { Secret } from "../kinds/core/secret.ts";
import type { Service } from "../kinds/core/service.ts";
import type { Observed } from "../kinds/kind.ts";
import { integerValue, milliValue, parseQuantity, type Quantity, quantityOf } from "../kinds/quantity.ts";
import type { DeepReadonly } from "../kinds/schema.ts";

export type AnyContainer = DeepReadonly<Container>;

/** What a container refers to and does not find; the pod waits with CreateContainerConfigError. The text reaches clients. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

export interface EnvironmentSources {
  readonly pod: Observed<Pod>;
  /** Undefined where the cluster has none of that name in the pod's namespace. */
  configMap(name: string): Observed<ConfigMap> | undefined;
  secret(name: string): Observed<Secret> | undefined;
  /** Services of the pod's namespace, and `kubernetes` of the namespace default. */
  readonly services: readonly Observed<Service>[];
  readonly podIp: string;
  readonly nodeIp: string;
  readonly allocatable: { readonly cpuMillis: number; readonly memoryBytes: number; readonly storageBytes: number };
}

/** Names of the objects that the containers' environments refer to. */
export function environmentReferences(container: AnyContainer): { configMaps: string[]; secrets: string[] } {
  const configMaps = new Set<string>();
  const secrets = new Set<string>();
  for (const source of container.envFrom ?? []) {
    if (source.configMapRef?.name) configMaps.add(source.configMapRef.name);
    if (source.secretRef?.name) secrets.add(source.secretRef.name);
  }
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.configMapKeyRef?.name) configMaps.add(valueFrom.configMapKeyRef.name);
    if (valueFrom?.secretKeyRef?.name) secrets.add(valueFrom.secretKeyRef.name);
  }
  return { configMaps: [...configMaps], secrets: [...secrets] };
}

const decodeBase64 = (text: string) => Buffer.from(text, "base64").toString("utf8");

/** Replaces $(NAME); $$(NAME) stands for itself, and a name that is not defined stays as it is. */
export function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) =>
    name === undefined ? "$" : (variables.get(name) ?? whole),
  );
}

export function environmentOf(
  container: AnyContainer,
  sources: EnvironmentSources,
): { readonly name: string; readonly value: string }[] {
  const result = new Map<string, string>();
  if (sources.pod.spec.enableServiceLinks !== false)
    for (const service of sources.services) addService(service, result);
  for (const source of container.envFrom ?? []) {
    const prefix = source.prefix ?? "";
    if (source.configMapRef) {
      const { name = "", optional } = source.configMapRef;
      const found = sources.configMap(name);
      if (!found && !optional) throw new ConfigError(`configmap "${name}" not found`);
      for (const [key, value] of Object.entries(found?.data ?? {})) result.set(prefix + key, value);
    }
    if (source.secretRef) {
      const { name = "", optional } = source.secretRef;
      const found = sources.secret(name);
      if (!found && !optional) throw new ConfigError(`secret "${name}" not found`);
      for (const [key, value] of Object.entries(found?.data ?? {})) result.set(prefix + key, decodeBase64(value));
    }
  }
  for (const variable of container.env ?? []) {
    if (variable.valueFrom) {
      const value = valueFrom(container, variable.valueFrom, sources);
      if (value !== undefined) result.set(variable.name, value);
    } else result.set(variable.name, expand(variable.value ?? "", result));
  }
  return [...result].map(([name, value]) => ({ name, value }));
}

type ValueFrom = NonNullable<NonNullable<AnyContainer["env"]>[number]["valueFrom"]>;

function valueFrom(container: AnyContainer, from: ValueFrom, sources: EnvironmentSources): string | undefined {
  const { pod } = sources;
  if (from.fieldRef) return fieldOf(pod, from.fieldRef.fieldPath, sources);
  if (from.resourceFieldRef) {
    const { containerName, resource, divisor } = from.resourceFieldRef;
    const named = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find((c) => c.name === containerName);
    return resourceOf(named ?? container, resource, divisor, sources.allocatable);
  }
  if (from.configMapKeyRef) {
    const { name = "", key, optional } = from.configMapKeyRef;
    const found = sources.configMap(name);
    if (!found) {
      if (optional) return undefined;
      throw new ConfigError(`configmap "${name}" not found`);
    }
    const value = found.data?.[key];
    if (value === undefined && !optional)
      throw new ConfigError(`couldn't find key ${key} in ConfigMap ${pod.metadata.namespace}/${name}`);
    return value;
  }
  if (from.secretKeyRef) {
    const { name = "", key, optional } = from.secretKeyRef;
    const found = sources.secret(name);
    if (!found) {
      if (optional) return undefined;
      throw new ConfigError(`secret "${name}" not found`);
    }
    const value = found.data?.[key];
    if (value === undefined && !optional)
      throw new ConfigError(`couldn't find key ${key} in Secret ${pod.metadata.namespace}/${name}`);
    return value === undefined ? undefined : decodeBase64(value);
  }
  throw new ConfigError("an environment variable's source is of a kind that this kubelet does not know");
}

/** The downward API's fields. Throws ConfigError for one that it does not know. */
export function fieldOf(
  pod: Observed<Pod>,
  path: string,
  node: { readonly podIp: string; readonly nodeIp: string },
): string {
  const { metadata, spec } = pod;
  const subscript = /^metadata\.(annotations|labels)\['(.*)'\]$/.exec(path);
  if (subscript) {
    const map = subscript[1] === "labels" ? metadata.labels : metadata.annotations;
    return map?.[subscript[2] ?? ""] ?? "";
  }
  const quoted = (map: Readonly<Record<string, string>> | undefined) =>
    Object.entries(map ?? {})
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
      .join("\n");
  switch (path) {
    case "metadata.name":
      return metadata.name;
    case "metadata.namespace":
      return metadata.namespace ?? "";
    case "metadata.uid":
      return metadata.uid;
    case "metadata.labels":
      return quoted(metadata.labels);
    case "metadata.annotations":
      return quoted(metadata.annotations);
    case "spec.nodeName":
      return spec.nodeName ?? "";
    case "spec.serviceAccountName":
      return spec.serviceAccountName ?? "";
    case "status.hostIP":
    case "status.hostIPs":
      return node.nodeIp;
    case "status.podIP":
    case "status.podIPs":
      return node.podIp;
    default:
      throw new ConfigError(`unsupported fieldPath: ${path}`);
  }
}

/** A limit or request in units of `divisor`, rounded up; a limit that is not set is what the node has. */
export function resourceOf(
  container: AnyContainer,
  resource: string,
  divisor: string | undefined,
  allocatable: EnvironmentSources["allocatable"],
): string {
  const [kind, name = ""] = resource.split(".");
  const set = kind === "limits" ? container.resources?.limits?.[name] : container.resources?.requests?.[name];
  const whole: Readonly<Record<string, Quantity>> = {
    cpu: { nanos: BigInt(allocatable.cpuMillis) * 1_000_000n, format: "DecimalSI" },
    memory: quantityOf(allocatable.memoryBytes),
    "ephemeral-storage": quantityOf(allocatable.storageBytes),
  };
  const quantity = set !== undefined ? parseQuantity(set) : kind === "limits" ? whole[name] : quantityOf(0);
  if (quantity === undefined || (kind !== "limits" && kind !== "requests"))
    throw new ConfigError(`unsupported container resource: ${resource}`);
  const unit = divisor === undefined || divisor === "0" ? quantityOf(1) : parseQuantity(divisor);
  const useMillis = name === "cpu";
  const amount = useMillis ? milliValue(quantity) : integerValue(quantity);
  const per = useMillis ? milliValue(unit) : integerValue(unit);
  return String(Math.ceil(amount / Math.max(per, 1)));
}

/** Docker-link style variables of a Service, as Kubernetes has them. */
function addService(service: Observed<Service>, into: Map<string, string>): void {
  const { clusterIP: ip, ports = [] } = service.spec;
  const first = ports[0];
  if (!ip || ip === "None" || first === undefined) return;
  const prefix = service.metadata.name.toUpperCase().replaceAll("-", "_");
  const url = (port: (typeof ports)[number]) => `${(port.protocol ?? "TCP").toLowerCase()}://${ip}:${port.port}`;
  into.set(`${prefix}_SERVICE_HOST`, ip);
  into.set(`${prefix}_SERVICE_PORT`, String(first.port));
  for (const { name, port } of ports)
    if (name) into.set(`${prefix}_SERVICE_PORT_${name.toUpperCase().replaceAll("-", "_")}`, String(port));
  into.set(`${prefix}_PORT`, url(first));
  for (const port of ports) {
    const base = `${prefix}_PORT_${port.port}_${port.protocol ?? "TCP"}`;
    into.set(base, url(port));
    into.set(`${base}_PROTO`, (port.protocol ?? "TCP").toLowerCase());
    into.set(`${base}_PORT`, String(port.port));
    into.set(`${base}_ADDR`, ip);
  }
}
