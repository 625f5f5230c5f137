import { httpHeaderNameProblems } from "../names.ts";
import type { DeepReadonly } from "../schema.ts";
import { forbiddenValue, invalidValue, requiredValue } from "../status_error.ts";
import { checkName, checkNotNegative, checkOneOf, checkPort, type Errors } from "../validation.ts";
import type { Lifecycle, LifecycleHandler, Probe } from "./container.ts";

type Handler = DeepReadonly<Pick<Probe, "exec" | "grpc" | "httpGet" | "tcpSocket"> & Pick<LifecycleHandler, "sleep">>;

function validateHandler(handler: Handler, graceSeconds: number | undefined, path: string): Errors {
  const errors: Errors = [];
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler;
  const given = { exec, httpGet, tcpSocket, grpc, sleep };
  const names = Object.entries(given).filter(([, value]) => value !== undefined);
  if (names.length === 0) return [requiredValue(path, "must specify a handler type")];
  for (const [name] of names.slice(1))
    errors.push(forbiddenValue(`${path}.${name}`, "may not specify more than 1 handler type"));
  switch (names[0]?.[0]) {
    case "exec":
      if ((exec?.command ?? []).length === 0) errors.push(requiredValue(`${path}.exec.command`));
      break;
    case "httpGet": {
      if (httpGet === undefined) break;
      const at = `${path}.httpGet`;
      if (!httpGet.path) errors.push(requiredValue(`${at}.path`));
      errors.push(...checkPort(httpGet.port, `${at}.port`));
      errors.push(...checkOneOf(httpGet.scheme, ["HTTP", "HTTPS"], `${at}.scheme`, "optional"));
      for (const { name } of httpGet.httpHeaders ?? [])
        errors.push(...checkName(httpHeaderNameProblems, name, `${at}.httpHeaders`));
      break;
    }
    case "tcpSocket":
      if (tcpSocket !== undefined) errors.push(...checkPort(tcpSocket.port, `${path}.tcpSocket.port`));
      break;
    case "grpc":
      if (grpc !== undefined) errors.push(...checkPort(grpc.port, `${path}.grpc.port`));
      break;
    case "sleep":
      if (sleep !== undefined && graceSeconds !== undefined && (sleep.seconds < 0 || sleep.seconds > graceSeconds))
        errors.push(
          invalidValue(
            `${path}.sleep`,
            sleep.seconds,
            `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`,
          ),
        );
      break;
  }
  return errors;
}

function validateProbe(probe: DeepReadonly<Probe>, graceSeconds: number | undefined, path: string): Errors {
  const errors = validateHandler(probe, graceSeconds, path);
  const numbers = [
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
  ] as const;
  for (const name of numbers) errors.push(...checkNotNegative(probe[name], `${path}.${name}`));
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0)
    errors.push(invalidValue(`${path}.terminationGracePeriodSeconds`, grace, "must be greater than 0"));
  return errors;
}

interface Probed {
  readonly livenessProbe?: Probe | undefined;
  readonly readinessProbe?: Probe | undefined;
  readonly startupProbe?: Probe | undefined;
  readonly lifecycle?: Lifecycle | undefined;
}

/** Probes and hooks of a container that keeps running. */
export function validateProbes(
  container: DeepReadonly<Probed>,
  graceSeconds: number | undefined,
  path: string,
): Errors {
  const errors: Errors = [];
  const { postStart, preStop } = container.lifecycle ?? {};
  if (postStart !== undefined) errors.push(...validateHandler(postStart, graceSeconds, `${path}.lifecycle.postStart`));
  if (preStop !== undefined) errors.push(...validateHandler(preStop, graceSeconds, `${path}.lifecycle.preStop`));
  for (const name of ["livenessProbe", "readinessProbe", "startupProbe"] as const) {
    const probe = container[name];
    if (probe === undefined) continue;
    const at = `${path}.${name}`;
    errors.push(...validateProbe(probe, graceSeconds, at));
    if (name === "readinessProbe") {
      if (probe.terminationGracePeriodSeconds !== undefined)
        errors.push(
          invalidValue(
            `${at}.terminationGracePeriodSeconds`,
            probe.terminationGracePeriodSeconds,
            "must not be set for readinessProbes",
          ),
        );
    } else if (probe.successThreshold !== 1)
      errors.push(invalidValue(`${at}.successThreshold`, probe.successThreshold ?? 0, "must be 1"));
  }
  return errors;
}
