import { describe, expect, test } from "bun:test";
import type { Container } from "../kinds/core/container.ts";
import type { Pod } from "../kinds/core/pod.ts";
import type { PodSpec } from "../kinds/core/pod_spec.ts";
import type { Service } from "../kinds/core/service.ts";
import type { Observed } from "../kinds/kind.ts";
import { type EnvironmentSources, environmentOf, expand } from "./pod_environment.ts";
import { hostsFile, resolvConf } from "./pod_name_files.ts";
import { volumeFiles } from "./pod_volumes.ts";

const metadata = {
  name: "web",
  namespace: "default",
  uid: "u",
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
};
const podOf = (spec: Partial<PodSpec> = {}): Observed<Pod> => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { ...metadata, labels: { app: "web", tier: 'a "b"' } },
  spec: { containers: [], ...spec },
  status: {},
});
const service = (name: string, clusterIP: string): Observed<Service> => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { ...metadata, name },
  spec: {
    clusterIP,
    ports: [
      { name: "http", port: 80, protocol: "TCP" },
      { name: "dns", port: 53, protocol: "UDP" },
    ],
  },
  status: {},
});
const object = { apiVersion: "v1", metadata };
const sources = (changes: Partial<EnvironmentSources> = {}): EnvironmentSources => ({
  pod: podOf(),
  configMap: (name) =>
    name === "settings" ? { ...object, kind: "ConfigMap", data: { COLOUR: "blue", SIZE: "9" } } : undefined,
  secret: (name) =>
    name === "keys" ? { ...object, kind: "Secret", data: { KEY: Buffer.from("hush").toString("base64") } } : undefined,
  services: [],
  podIp: "10.42.0.2",
  nodeIp: "192.0.2.7",
  allocatable: { cpuMillis: 4000, memoryBytes: 2 ** 30, storageBytes: 2 ** 31 },
  ...changes,
});
const environment = (container: Partial<Container>, from = sources()) =>
  Object.fromEntries(environmentOf({ name: "main", ...container }, from).map(({ name, value }) => [name, value]));

describe("a container's environment", () => {
  test("expands references to what was defined before, and nothing else", () => {
    const variables = new Map([["A", "1"]]);
    expect(expand("$(A) $$(A) $(B) $A $$ $", variables)).toBe("1 $(A) $(B) $A $ $");
    expect(
      environment({
        env: [
          { name: "FIRST", value: "$(SECOND)" },
          { name: "SECOND", value: "2" },
          { name: "THIRD", value: "$(SECOND)$(SECOND)" },
        ],
      }),
    ).toEqual({ FIRST: "$(SECOND)", SECOND: "2", THIRD: "22" });
  });

  test("takes ConfigMaps and Secrets whole or by key, later ones over earlier ones", () => {
    expect(
      environment({
        envFrom: [{ configMapRef: { name: "settings" } }, { prefix: "MY_", secretRef: { name: "keys" } }],
        env: [
          { name: "COLOUR", value: "red" },
          { name: "K", valueFrom: { secretKeyRef: { name: "keys", key: "KEY" } } },
          { name: "NONE", valueFrom: { configMapKeyRef: { name: "absent", key: "x", optional: true } } },
        ],
      }),
    ).toEqual({ COLOUR: "red", SIZE: "9", MY_KEY: "hush", K: "hush" });
  });

  test("says what it does not find", () => {
    const key = (name: string, of: string) => () =>
      environment({ env: [{ name: "X", valueFrom: { configMapKeyRef: { name, key: of } } }] });
    expect(key("absent", "x")).toThrow('configmap "absent" not found');
    expect(key("settings", "x")).toThrow("couldn't find key x in ConfigMap default/settings");
    expect(() => environment({ envFrom: [{ secretRef: { name: "absent" } }] })).toThrow('secret "absent" not found');
  });

  test("knows the pod's fields and the container's resources", () => {
    const field = (fieldPath: string) => ({ name: fieldPath, valueFrom: { fieldRef: { fieldPath } } });
    expect(
      environment({
        resources: { limits: { cpu: "1500m" }, requests: { memory: "64Mi" } },
        env: [
          field("metadata.name"),
          field("status.podIP"),
          field("status.hostIP"),
          field("metadata.labels['app']"),
          { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
          { name: "MEMORY", valueFrom: { resourceFieldRef: { resource: "requests.memory", divisor: "1Mi" } } },
          { name: "NODE", valueFrom: { resourceFieldRef: { resource: "limits.memory", divisor: "1Mi" } } },
        ],
      }),
    ).toEqual({
      "metadata.name": "web",
      "status.podIP": "10.42.0.2",
      "status.hostIP": "192.0.2.7",
      "metadata.labels['app']": "web",
      CPU: "2",
      MEMORY: "64",
      NODE: "1024",
    });
  });

  test("names the Services of its namespace, unless the pod wants none", () => {
    const services = [service("my-web", "10.43.0.9"), service("headless", "None")];
    const found = environment({}, sources({ services }));
    expect(found).toMatchObject({
      MY_WEB_SERVICE_HOST: "10.43.0.9",
      MY_WEB_SERVICE_PORT: "80",
      MY_WEB_SERVICE_PORT_DNS: "53",
      MY_WEB_PORT: "tcp://10.43.0.9:80",
      MY_WEB_PORT_53_UDP: "udp://10.43.0.9:53",
      MY_WEB_PORT_80_TCP_ADDR: "10.43.0.9",
    });
    expect(Object.keys(found).some((name) => name.startsWith("HEADLESS"))).toBe(false);
    expect(environment({}, sources({ services, pod: podOf({ enableServiceLinks: false }) }))).toEqual({});
  });
});

describe("a volume out of the API", () => {
  const text = (files: ReturnType<typeof volumeFiles>) =>
    Object.fromEntries(
      (files ?? []).map(({ path, content, mode }) => [path, `${Buffer.from(content)} ${mode.toString(8)}`]),
    );

  test("holds keys as files, all of them or the ones that are named", () => {
    expect(text(volumeFiles({ name: "v", configMap: { name: "settings" } }, sources()))).toEqual({
      COLOUR: "blue 644",
      SIZE: "9 644",
    });
    const items = [{ key: "KEY", path: "deep/key", mode: 0o400 }];
    expect(text(volumeFiles({ name: "v", secret: { secretName: "keys", items } }, sources()))).toEqual({
      "deep/key": "hush 400",
    });
    const labels = { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] };
    expect(text(volumeFiles({ name: "v", projected: { sources: [{ downwardAPI: labels }] } }, sources()))).toEqual({
      labels: 'app="web"\ntier="a \\"b\\"" 644',
    });
  });

  test("says which object or key is missing", () => {
    expect(() => volumeFiles({ name: "v", configMap: { name: "absent" } }, sources())).toThrow(
      'configmap "absent" not found',
    );
    const items = [{ key: "NOPE", path: "x" }];
    expect(() => volumeFiles({ name: "v", configMap: { name: "settings", items } }, sources())).toThrow(
      "references non-existent config key: NOPE",
    );
    expect(volumeFiles({ name: "v", configMap: { name: "absent", optional: true } }, sources())).toEqual([]);
  });
});

describe("a pod's names", () => {
  const settings = {
    clusterDns: "10.43.0.10",
    clusterDomain: "cluster.local",
    nodeResolvConf: "nameserver 192.0.2.53\nsearch example.com\noptions timeout:2\n",
  };

  test("come from the cluster where it has a DNS, else from the node", () => {
    expect(resolvConf(podOf(), settings)).toBe(
      "nameserver 10.43.0.10\nsearch default.svc.cluster.local svc.cluster.local cluster.local example.com\noptions ndots:5\n",
    );
    const node = "nameserver 192.0.2.53\nsearch example.com\noptions timeout:2\n";
    expect(resolvConf(podOf(), { ...settings, clusterDns: undefined })).toBe(node);
    expect(resolvConf(podOf({ hostNetwork: true }), settings)).toBe(node);
    expect(resolvConf(podOf({ dnsPolicy: "Default" }), settings)).toBe(node);
    const own = { nameservers: ["192.0.2.1"], searches: ["own"], options: [{ name: "ndots", value: "2" }] };
    expect(resolvConf(podOf({ dnsPolicy: "None", dnsConfig: own }), settings)).toBe(
      "nameserver 192.0.2.1\nsearch own\noptions ndots:2\n",
    );
  });

  test("are in /etc/hosts with the pod's address", () => {
    const hosts = hostsFile(podOf({ hostname: "a", subdomain: "b" }), "10.42.0.2", "", "cluster.local");
    expect(hosts).toContain("10.42.0.2\ta.b.default.svc.cluster.local\ta\n");
    expect(hostsFile(podOf({ hostNetwork: true }), "192.0.2.7", "127.0.0.1 localhost\n", "cluster.local")).toContain(
      "127.0.0.1 localhost\n",
    );
  });
});
