import { sameValue } from "../equality.ts";
import { cidrProblems, ipFamily } from "../ip.ts";
import { validateLabels } from "../metadata.ts";
import type { DeepReadonly } from "../schema.ts";
import { duplicateValue, forbiddenValue, invalidValue, notSupportedValue, requiredValue } from "../status_error.ts";
import {
  checkDnsLabel,
  checkDnsSubdomain,
  checkIp,
  checkName,
  checkOneOf,
  checkPort,
  checkPortNumber,
  checkQualifiedName,
  type Errors,
  protocols,
} from "../validation.ts";
import type { ServicePort, ServiceSpec } from "./service_spec.ts";

type Spec = DeepReadonly<ServiceSpec>;

const types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

export function validateServiceSpec(spec: Spec): Errors {
  const { type = "", ports = [] } = spec;
  const headless = spec.clusterIP === "None";
  const errors: Errors = [];
  if (ports.length === 0 && !headless && type !== "ExternalName") errors.push(requiredValue("spec.ports"));
  if (headless && (type === "LoadBalancer" || type === "NodePort"))
    errors.push(invalidValue("spec.clusterIPs[0]", "None", `may not be set to 'None' for ${type} services`));
  if (type === "ExternalName") errors.push(...validateExternalName(spec));
  errors.push(
    ...validatePorts(ports, type),
    ...validateLabels(spec.selector, "spec.selector"),
    ...validateAffinity(spec),
    ...validateAddresses(spec),
    ...checkOneOf(type, types, "spec.type", "required"),
    ...validateTraffic(spec),
  );
  return errors;
}

function validateExternalName(spec: Spec): Errors {
  const errors: Errors = [];
  const forbid = (field: string) =>
    errors.push(forbiddenValue(`spec.${field}`, "may not be set for ExternalName services"));
  if ((spec.clusterIPs ?? []).length > 0 || spec.clusterIP) forbid("clusterIPs");
  if ((spec.ipFamilies ?? []).length > 0) forbid("ipFamilies");
  if (spec.ipFamilyPolicy !== undefined) forbid("ipFamilyPolicy");
  const name = (spec.externalName ?? "").replace(/\.$/, "");
  if (name === "") errors.push(requiredValue("spec.externalName"));
  else errors.push(...checkDnsSubdomain(name, "spec.externalName"));
  return errors;
}

function validatePorts(ports: readonly DeepReadonly<ServicePort>[], type: string): Errors {
  const errors: Errors = [];
  const names = new Set<string>();
  const nodePorts = new Set<string>();
  const pairs = new Set<string>();
  for (const [index, servicePort] of ports.entries()) {
    const { name = "", port, protocol, targetPort, nodePort = 0, appProtocol } = servicePort;
    const at = `spec.ports[${index}]`;
    if (name !== "") {
      errors.push(...checkDnsLabel(name, `${at}.name`));
      if (names.has(name)) errors.push(duplicateValue(`${at}.name`, name));
      names.add(name);
    } else if (ports.length > 1) errors.push(requiredValue(`${at}.name`));
    errors.push(
      ...checkPortNumber(port, `${at}.port`),
      ...checkOneOf(protocol, protocols, `${at}.protocol`, "required"),
      ...checkPort(targetPort ?? port, `${at}.targetPort`),
    );
    if (appProtocol !== undefined) errors.push(...checkQualifiedName(appProtocol, `${at}.appProtocol`));
    if (nodePort !== 0) {
      if (type === "ClusterIP")
        errors.push(forbiddenValue(`${at}.nodePort`, "may not be used when `type` is 'ClusterIP'"));
      const key = `${protocol}/${nodePort}`;
      if (nodePorts.has(key)) errors.push(duplicateValue(`${at}.nodePort`, nodePort));
      nodePorts.add(key);
    }
    const pair = `${protocol}/${port}`;
    if (pairs.has(pair)) errors.push(duplicateValue(at, { protocol, port }));
    pairs.add(pair);
  }
  return errors;
}

function validateAffinity({ sessionAffinity, sessionAffinityConfig }: Spec): Errors {
  const errors = checkOneOf(sessionAffinity, ["ClientIP", "None"], "spec.sessionAffinity", "required");
  const path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
  const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (sessionAffinity === "ClientIP") {
    if (seconds === undefined) errors.push(requiredValue(path, "when session affinity type is ClientIP"));
    else if (seconds <= 0 || seconds > 86_400)
      errors.push(invalidValue(path, seconds, "must be greater than 0 and less than 86400"));
  } else if (sessionAffinity === "None" && sessionAffinityConfig !== undefined)
    errors.push(forbiddenValue("spec.sessionAffinityConfig", "must not be set when session affinity is None"));
  return errors;
}

function validateAddresses(spec: Spec): Errors {
  const { clusterIP = "", clusterIPs = [], ipFamilies = [], ipFamilyPolicy, externalIPs = [] } = spec;
  const errors: Errors = [];
  if (spec.type !== "ExternalName") {
    if (clusterIP === "") {
      if (clusterIPs.length > 0)
        errors.push(invalidValue("spec.clusterIPs", clusterIPs, "must be empty when `clusterIP` is not specified"));
    } else if (clusterIPs.length > 0 && clusterIPs[0] !== clusterIP)
      errors.push(invalidValue("spec.clusterIPs", clusterIPs, "first value must match `clusterIP`"));
    if (clusterIPs.length > 2) errors.push(invalidValue("spec.clusterIPs", clusterIPs, "may only hold up to 2 values"));
    for (const [index, address] of clusterIPs.entries())
      if (address !== "None") errors.push(...checkIp(address, `spec.clusterIPs[${index}]`));
    if (clusterIPs.length > 1 && clusterIPs.includes("None"))
      errors.push(invalidValue("spec.clusterIPs", clusterIPs, "'None' must be the first and only value"));
  }
  const families = new Set<string>();
  for (const [index, family] of ipFamilies.entries()) {
    const at = `spec.ipFamilies[${index}]`;
    if (family !== "IPv4" && family !== "IPv6") errors.push(notSupportedValue(at, family, ["IPv4", "IPv6"]));
    if (families.has(family)) errors.push(duplicateValue(at, family));
    families.add(family);
    const address = clusterIPs[index];
    const actual = address === undefined || address === "None" ? undefined : ipFamily(address);
    if (actual !== undefined && actual !== family)
      errors.push(
        invalidValue(
          `spec.clusterIPs[${index}]`,
          address,
          `expected an ${family} value as indicated by \`ipFamilies[${index}]\``,
        ),
      );
  }
  errors.push(
    ...checkOneOf(
      ipFamilyPolicy,
      ["PreferDualStack", "RequireDualStack", "SingleStack"],
      "spec.ipFamilyPolicy",
      "optional",
    ),
  );
  if (ipFamilyPolicy === "SingleStack" && (clusterIPs.length > 1 || ipFamilies.length > 1))
    errors.push(
      invalidValue(
        "spec.ipFamilyPolicy",
        ipFamilyPolicy,
        `must be 'RequireDualStack' or 'PreferDualStack' when multiple '${ipFamilies.length > 1 ? "ipFamilies" : "clusterIPs"}' are specified`,
      ),
    );
  for (const [index, address] of externalIPs.entries()) {
    const at = `spec.externalIPs[${index}]`;
    const wrong = checkIp(address, at);
    errors.push(...(wrong.length > 0 ? wrong : checkOrdinaryIp(address, at)));
  }
  return errors;
}

/** Addresses that mean a machine itself, or none. */
export function checkOrdinaryIp(address: string, path: string): Errors {
  const wrong = (detail: string): Errors => [invalidValue(path, address, detail)];
  const lower = address.toLowerCase();
  if (/^0\.0\.0\.0$|^(0{0,4}:){2,7}0{0,4}$/.test(lower)) return wrong(`may not be unspecified (${address})`);
  if (/^127\./.test(lower) || lower === "::1") return wrong("may not be in the loopback range (127.0.0.0/8, ::1/128)");
  if (/^169\.254\./.test(lower) || /^fe[89ab]/.test(lower))
    return wrong("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
  if (/^224\.0\.0\./.test(lower) || lower.startsWith("ff02:"))
    return wrong("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
  return [];
}

function validateTraffic(spec: Spec): Errors {
  const { type, externalTrafficPolicy = "", healthCheckNodePort = 0 } = spec;
  const balanced = type === "LoadBalancer";
  const outside = balanced || type === "NodePort" || (type === "ClusterIP" && (spec.externalIPs ?? []).length > 0);
  const errors: Errors = [];
  if (!outside) {
    if (externalTrafficPolicy !== "")
      errors.push(
        invalidValue(
          "spec.externalTrafficPolicy",
          externalTrafficPolicy,
          "may only be set for externally-accessible services",
        ),
      );
  } else
    errors.push(...checkOneOf(externalTrafficPolicy, ["Cluster", "Local"], "spec.externalTrafficPolicy", "required"));
  if (healthCheckNodePort !== 0) {
    if (balanced && externalTrafficPolicy === "Local")
      errors.push(...checkPortNumber(healthCheckNodePort, "spec.healthCheckNodePort"));
    else
      errors.push(
        invalidValue(
          "spec.healthCheckNodePort",
          healthCheckNodePort,
          "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        ),
      );
  }
  errors.push(
    ...checkOneOf(spec.internalTrafficPolicy, ["Cluster", "Local"], "spec.internalTrafficPolicy", "optional"),
    ...checkOneOf(
      spec.trafficDistribution,
      ["PreferClose", "PreferSameNode", "PreferSameZone"],
      "spec.trafficDistribution",
      "optional",
    ),
  );
  if (!balanced) {
    const only = (field: string) =>
      errors.push(forbiddenValue(`spec.${field}`, "may only be used when `type` is 'LoadBalancer'"));
    if ((spec.loadBalancerSourceRanges ?? []).length > 0) only("LoadBalancerSourceRanges");
    if (spec.allocateLoadBalancerNodePorts !== undefined) only("allocateLoadBalancerNodePorts");
    if (spec.loadBalancerClass !== undefined) only("loadBalancerClass");
  }
  for (const [index, range] of (spec.loadBalancerSourceRanges ?? []).entries())
    errors.push(...checkName(cidrProblems, range.trim(), `spec.LoadBalancerSourceRanges[${index}]`));
  return errors;
}

/** A service's first address and family stay, unless its type goes from or to ExternalName. */
export function validateServiceUpdate(spec: Spec, old: Spec): Errors {
  const errors: Errors = [];
  if (spec.type !== "ExternalName" && old.type !== "ExternalName") {
    const before = old.clusterIPs?.[0] ?? old.clusterIP ?? "";
    const after = spec.clusterIPs?.[0] ?? spec.clusterIP ?? "";
    const addresses = spec.clusterIPs ?? [after];
    if (before !== "" && after === "")
      errors.push(invalidValue("spec.clusterIPs[0]", addresses, "primary clusterIP can not be unset"));
    else if (before !== "" && before !== after)
      errors.push(invalidValue("spec.clusterIPs[0]", addresses, "may not change once set"));
    const family = old.ipFamilies?.[0];
    if (family !== undefined && spec.ipFamilies?.[0] !== family)
      errors.push(invalidValue("spec.ipFamilies[0]", spec.ipFamilies?.[0] ?? "", "may not change once set"));
  }
  if (
    spec.type === "LoadBalancer" &&
    old.type === "LoadBalancer" &&
    !sameValue(spec.loadBalancerClass, old.loadBalancerClass)
  )
    errors.push(invalidValue("spec.loadBalancerClass", spec.loadBalancerClass ?? null, "may not change once set"));
  return errors;
}
