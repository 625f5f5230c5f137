import { compareQuantities, formatQuantity, milliValue, tryParseQuantity } from "../quantity.ts";
import type { Container, EphemeralContainer, Lifecycle, Probe } from "./container.ts";
import { defaultPullPolicy } from "./image.ts";
import type { PodSpec, PodTemplateSpec } from "./pod_spec.ts";
import type { ObjectFieldSelector } from "./reference.ts";
import { defaultVolume } from "./volume_defaults.ts";

/** What Kubernetes writes into a pod and not into a template, besides all that it writes into both. */
export function defaultPod(pod: { spec?: PodSpec | undefined }): void {
  pod.spec ??= { containers: [] };
  const { spec } = pod;
  for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) requestWhatIsLimited(container);
  defaultPodLevelRequests(spec);
  spec.enableServiceLinks ??= true;
  if (spec.hostNetwork === true)
    for (const { ports = [] } of [...spec.containers, ...(spec.initContainers ?? [])])
      for (const port of ports) port.hostPort ||= port.containerPort;
  defaultPodSpec(spec);
}

export function defaultPodTemplate(template: PodTemplateSpec): void {
  template.spec ??= { containers: [] };
  defaultPodSpec(template.spec);
}

function defaultPodSpec(spec: PodSpec): void {
  spec.restartPolicy ||= "Always";
  spec.dnsPolicy ||= "ClusterFirst";
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= "default-scheduler";
  // The older name of the field is kept in step.
  const account = spec.serviceAccountName || spec.serviceAccount;
  if (account) {
    spec.serviceAccountName = account;
    spec.serviceAccount = account;
  }
  roundUp(spec.overhead);
  roundUp(spec.resources?.limits);
  roundUp(spec.resources?.requests);
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
  for (const container of spec.containers) defaultContainer(container);
  for (const container of spec.initContainers ?? []) defaultContainer(container);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container);
}

function defaultContainer(container: Container | EphemeralContainer): void {
  container.imagePullPolicy ||= defaultPullPolicy(container.image ?? "");
  container.terminationMessagePath ||= "/dev/termination-log";
  container.terminationMessagePolicy ||= "File";
  // Always written, because a typed client always reads it.
  container.resources ??= {};
  roundUp(container.resources.limits);
  roundUp(container.resources.requests);
  for (const port of container.ports ?? []) port.protocol ||= "TCP";
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.fieldRef !== undefined) defaultFieldRef(valueFrom.fieldRef);
    if (valueFrom?.resourceFieldRef !== undefined) valueFrom.resourceFieldRef.divisor ??= "0";
  }
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe])
    if (probe !== undefined) defaultProbe(probe);
  if (container.lifecycle !== undefined) defaultLifecycle(container.lifecycle);
}

export function defaultFieldRef(reference: ObjectFieldSelector): void {
  reference.apiVersion ||= "v1";
}

function defaultProbe(probe: Probe): void {
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  if (probe.grpc !== undefined) probe.grpc.service ??= "";
  if (probe.httpGet !== undefined) defaultHttpGet(probe.httpGet);
}

function defaultLifecycle({ postStart, preStop }: Lifecycle): void {
  for (const handler of [postStart, preStop]) if (handler?.httpGet !== undefined) defaultHttpGet(handler.httpGet);
}

function defaultHttpGet(action: NonNullable<Probe["httpGet"]>): void {
  action.path ||= "/";
  action.scheme ||= "HTTP";
}

/** A limit without a request is also the request. */
function requestWhatIsLimited(container: Container): void {
  const limits = container.resources?.limits;
  if (container.resources === undefined || limits === undefined || Object.keys(limits).length === 0) return;
  container.resources.requests = { ...limits, ...container.resources.requests };
}

/** Resources of the pod as a whole: what is limited is requested, by the containers' sum where they request it. */
function defaultPodLevelRequests(spec: PodSpec): void {
  const limits = spec.resources?.limits;
  if (spec.resources === undefined || limits === undefined || Object.keys(limits).length === 0) return;
  const requests = { ...spec.resources.requests };
  for (const name of ["cpu", "memory"]) {
    if (requests[name] !== undefined) continue;
    const sum = sumOfRequests(spec, name);
    if (sum !== undefined) requests[name] = sum;
    else if (limits[name] !== undefined) requests[name] = limits[name];
  }
  if (Object.keys(requests).length > 0) spec.resources.requests = requests;
}

/** The containers' requests together, or an init container's where it alone needs more. */
function sumOfRequests(spec: PodSpec, name: string): string | undefined {
  const of = (container: Container) => tryParseQuantity(container.resources?.requests?.[name] ?? "");
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  let total: ReturnType<typeof of>;
  for (const container of [...spec.containers, ...sidecars]) {
    const request = of(container);
    if (request !== undefined) total = { nanos: (total?.nanos ?? 0n) + request.nanos, format: request.format };
  }
  for (const container of spec.initContainers ?? []) {
    const request = of(container);
    if (request !== undefined && (total === undefined || compareQuantities(request, total) > 0)) total = request;
  }
  return total === undefined ? undefined : formatQuantity(total);
}

/** Nothing finer than a thousandth is kept. */
export function roundUp(resources: Record<string, string> | undefined): void {
  for (const [name, text] of Object.entries(resources ?? {})) {
    if (!/[nu]$/.test(text)) continue;
    const quantity = tryParseQuantity(text);
    if (resources === undefined || quantity === undefined) continue;
    resources[name] = formatQuantity({ nanos: BigInt(milliValue(quantity)) * 1_000_000n, format: quantity.format });
  }
}
