import type { Container } from "./container.ts";
import type { PodSpec } from "./pod_spec.ts";

/** What is allowed and yet surely not meant; shown as Warning headers. */
export function podWarnings(pod: { readonly spec?: PodSpec | undefined }): string[] {
  return pod.spec === undefined ? [] : podSpecWarnings(pod.spec, "spec");
}

export function podSpecWarnings(spec: PodSpec, path: string): string[] {
  const warnings: string[] = [];
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0)
    warnings.push(
      `${path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`,
    );
  for (const field of ["initContainers", "containers"] as const)
    for (const [index, container] of (spec[field] ?? []).entries())
      warnings.push(...containerWarnings(container, `${path}.${field}[${index}]`));
  return warnings;
}

function containerWarnings({ env = [], ports = [] }: Container, path: string): string[] {
  const warnings: string[] = [];
  const names = new Set<string>();
  for (const [index, { name }] of env.entries()) {
    if (names.has(name))
      warnings.push(
        `${path}.env[${index}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`,
      );
    names.add(name);
  }
  const first = new Map<string, number>();
  for (const [index, { containerPort, protocol, hostPort = 0, hostIP = "" }] of ports.entries()) {
    const key = `${containerPort}/${protocol}/${hostPort}/${hostIP}`;
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, index);
    else warnings.push(`${path}.ports[${index}]: duplicate port definition with ${path}.ports[${earlier}]`);
  }
  return warnings;
}
