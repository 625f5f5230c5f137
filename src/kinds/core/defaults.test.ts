import { describe, expect, test } from "bun:test";
import { deploymentKind } from "../apps/deployment.ts";
import { replicaSetKind } from "../apps/replica_set.ts";
import { checkObject } from "../check.ts";
import { endpointSliceKind } from "../discovery/endpoint_slice.ts";
import type { Kind, KubeObject } from "../kind.ts";
import { endpointsKind } from "./endpoints.ts";
import { defaultPullPolicy, parseImage } from "./image.ts";
import { namespaceKind } from "./namespace.ts";
import { nodeKind } from "./node.ts";
import { podKind } from "./pod.ts";
import { secretKind } from "./secret.ts";
import { serviceKind } from "./service.ts";

/** As the API does it: checked, copied, defaults filled in. */
function filled<T extends KubeObject>(kind: Kind<T>, body: unknown, create = true): T {
  const object = structuredClone(checkObject(kind, body).object);
  kind.defaults?.(object);
  if (create) kind.prepareForCreate?.(object);
  return object;
}

const container = { name: "web", image: "nginx" };
const filledContainer = {
  name: "web",
  image: "nginx",
  imagePullPolicy: "Always",
  terminationMessagePath: "/dev/termination-log",
  terminationMessagePolicy: "File",
  resources: {},
};
const filledSpec = {
  restartPolicy: "Always",
  dnsPolicy: "ClusterFirst",
  securityContext: {},
  terminationGracePeriodSeconds: 30,
  schedulerName: "default-scheduler",
};

describe("a new pod", () => {
  test("gets everything that Kubernetes writes into it", () => {
    expect<unknown>(filled(podKind, { metadata: { name: "web" }, spec: { containers: [container] } })).toEqual({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "web" },
      spec: {
        ...filledSpec,
        containers: [filledContainer],
        enableServiceLinks: true,
        serviceAccount: "default",
        serviceAccountName: "default",
        priority: 0,
        preemptionPolicy: "PreemptLowerPriority",
        tolerations: [
          { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
          { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
        ],
      },
      status: { phase: "Pending", qosClass: "BestEffort" },
    });
  });

  test("keeps what it says itself", () => {
    const spec = {
      restartPolicy: "Never",
      dnsPolicy: "None",
      terminationGracePeriodSeconds: 0,
      schedulerName: "mine",
      enableServiceLinks: false,
      serviceAccountName: "robot",
      priority: 7,
      securityContext: { runAsUser: 1 },
      tolerations: [{ operator: "Exists" }],
      containers: [{ ...container, imagePullPolicy: "Never", terminationMessagePath: "/x" }],
    };
    const { spec: result } = filled(podKind, { spec });
    expect(result).toMatchObject(spec);
    expect(result?.serviceAccount).toBe("robot");
  });

  test("is the same after a second time", () => {
    const once = filled(podKind, {
      spec: { containers: [{ ...container, livenessProbe: { httpGet: { port: 80 } } }] },
    });
    const twice = structuredClone(once);
    podKind.defaults?.(twice);
    expect(twice).toEqual(once);
  });

  test("requests what it limits", () => {
    const resources = { limits: { cpu: "1", memory: "1Gi" }, requests: { cpu: "100m" } };
    const { spec } = filled(podKind, {
      spec: { containers: [{ ...container, resources }], initContainers: [{ ...container, resources }] },
    });
    for (const each of [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])])
      expect(each.resources?.requests).toEqual({ cpu: "100m", memory: "1Gi" });
  });

  test("listens on the host's ports where it has the host's network", () => {
    const ports = [{ containerPort: 80 }];
    const { spec } = filled(podKind, { spec: { hostNetwork: true, containers: [{ ...container, ports }] } });
    expect(spec?.containers[0]?.ports).toEqual([{ containerPort: 80, hostPort: 80, protocol: "TCP" }]);
  });

  test("has probes, hooks and references filled in", () => {
    const { spec } = filled(podKind, {
      spec: {
        containers: [
          {
            ...container,
            livenessProbe: { httpGet: { port: 80 } },
            readinessProbe: { grpc: { port: 80 }, periodSeconds: 5 },
            lifecycle: { preStop: { httpGet: { port: 80 } } },
            env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
          },
        ],
      },
    });
    const times = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 };
    expect(spec?.containers[0]).toMatchObject({
      livenessProbe: { ...times, httpGet: { port: 80, path: "/", scheme: "HTTP" } },
      readinessProbe: { ...times, periodSeconds: 5, grpc: { port: 80, service: "" } },
      lifecycle: { preStop: { httpGet: { port: 80, path: "/", scheme: "HTTP" } } },
      env: [{ name: "A", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "metadata.name" } } }],
    });
  });

  test("has volumes filled in", () => {
    const { spec } = filled(podKind, {
      spec: {
        containers: [container],
        volumes: [
          { name: "scratch" },
          { name: "host", hostPath: { path: "/x" } },
          { name: "secret", secret: { secretName: "s" } },
          { name: "config", configMap: { name: "c" } },
          { name: "all", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } },
        ],
      },
    });
    expect<unknown>(spec?.volumes).toEqual([
      { name: "scratch", emptyDir: {} },
      { name: "host", hostPath: { path: "/x", type: "" } },
      { name: "secret", secret: { secretName: "s", defaultMode: 0o644 } },
      { name: "config", configMap: { name: "c", defaultMode: 0o644 } },
      {
        name: "all",
        projected: {
          defaultMode: 0o644,
          sources: [{ serviceAccountToken: { path: "token", expirationSeconds: 3600 } }],
        },
      },
    ]);
  });

  const resources = (limits: Record<string, string>, requests: Record<string, string> = {}) => ({ limits, requests });
  const classes: [string, unknown[], string][] = [
    ["BestEffort", [{}], "asks for nothing"],
    ["Burstable", [{ resources: resources({}, { cpu: "1" }) }], "requests without a limit"],
    ["Burstable", [{ resources: resources({ cpu: "1", memory: "1Gi" }) }, {}], "limits one container of two"],
    [
      "Burstable",
      [{ resources: resources({ cpu: "1", memory: "1Gi" }, { cpu: "500m" }) }],
      "requests less than its limit",
    ],
    ["Guaranteed", [{ resources: resources({ cpu: "1", memory: "1Gi" }) }], "limits all"],
    [
      "Guaranteed",
      [{ resources: resources({ cpu: "1", memory: "1Gi" }, { cpu: "1000m" }) }],
      "requests exactly its limit",
    ],
  ];
  for (const [qosClass, containers, what] of classes)
    test(`is ${qosClass} when it ${what}`, () => {
      const named = containers.map((each, at) => ({ name: `c${at}`, image: "x", ...Object(each) }));
      expect(filled(podKind, { spec: { containers: named } }).status?.qosClass).toBe(qosClass);
    });

  test("keeps its class of service when a status leaves it out", () => {
    const written = filled(podKind, { spec: { containers: [container] }, status: { phase: "Running" } }, false);
    expect(written.status).toEqual({ phase: "Running", qosClass: "BestEffort" });
  });

  test("that is gated says so", () =>
    expect(
      filled(podKind, { spec: { containers: [container], schedulingGates: [{ name: "a" }] } }).status?.conditions,
    ).toEqual([
      {
        type: "PodScheduled",
        status: "False",
        reason: "SchedulingGated",
        message: "Scheduling is blocked due to non-empty scheduling gates",
      },
    ]));
});

describe("an image without a pull policy", () => {
  const cases: [string, string][] = [
    ["nginx", "Always"],
    ["nginx:latest", "Always"],
    ["nginx:1.27", "IfNotPresent"],
    ["localhost:5000/nginx", "Always"],
    ["localhost:5000/nginx:1", "IfNotPresent"],
    ["nginx@sha256:abc", "IfNotPresent"],
    ["nginx:latest@sha256:abc", "Always"],
  ];
  for (const [image, policy] of cases)
    test(`${image} is pulled ${policy}`, () => expect(defaultPullPolicy(image)).toBe(policy as "Always"));

  test("is read as Docker reads it", () =>
    expect(parseImage("localhost:5000/a/b:c@sha256:d")).toEqual({
      repository: "localhost:5000/a/b",
      tag: "c",
      digest: "sha256:d",
    }));
});

describe("a template", () => {
  const selector = { matchLabels: { app: "web" } };
  const template = { metadata: { labels: { app: "web" } }, spec: { containers: [container] } };
  const filledTemplate = {
    metadata: { labels: { app: "web" } },
    spec: { ...filledSpec, containers: [filledContainer] },
  };

  test("of a deployment gets a pod's defaults, and not what admission writes", () => {
    expect<unknown>(filled(deploymentKind, { metadata: { name: "web" }, spec: { selector, template } })).toEqual({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web" },
      spec: {
        replicas: 1,
        selector,
        template: filledTemplate,
        strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%", maxSurge: "25%" } },
        revisionHistoryLimit: 10,
        progressDeadlineSeconds: 600,
      },
      status: {},
    });
  });

  test("of a deployment that recreates has no rolling update", () => {
    const { spec } = filled(deploymentKind, {
      spec: { selector, template, replicas: 0, strategy: { type: "Recreate" } },
    });
    expect(spec?.strategy).toEqual({ type: "Recreate" });
    expect(spec?.replicas).toBe(0);
  });

  test("of a replica set gets them too", () => {
    const { spec, status } = filled(replicaSetKind, { spec: { selector, template } });
    expect<unknown>(spec).toEqual({ replicas: 1, selector, template: filledTemplate });
    expect(status).toEqual({ replicas: 0 });
  });
});

describe("a service", () => {
  const ports = [{ port: 80 }];

  test("gets everything that Kubernetes writes into it, but its address", () => {
    expect<unknown>(filled(serviceKind, { spec: { ports, selector: { app: "web" } } })).toEqual({
      apiVersion: "v1",
      kind: "Service",
      spec: {
        type: "ClusterIP",
        ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
        selector: { app: "web" },
        sessionAffinity: "None",
        internalTrafficPolicy: "Cluster",
        ipFamilyPolicy: "SingleStack",
        ipFamilies: ["IPv4"],
      },
      status: { loadBalancer: {} },
    });
  });

  const cases: [string, Record<string, unknown>, Record<string, unknown>][] = [
    ["on node ports", { type: "NodePort", ports }, { externalTrafficPolicy: "Cluster" }],
    [
      "on a load balancer",
      { type: "LoadBalancer", ports },
      { externalTrafficPolicy: "Cluster", allocateLoadBalancerNodePorts: true },
    ],
    [
      "with affinity",
      { sessionAffinity: "ClientIP", ports },
      { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } } },
    ],
    [
      "with an address of its own",
      { clusterIP: "10.43.0.9", ports },
      { clusterIPs: ["10.43.0.9"], ipFamilies: ["IPv4"] },
    ],
    [
      "headless and with a selector",
      { clusterIP: "None", selector: { app: "web" }, ports },
      { clusterIPs: ["None"], ipFamilyPolicy: "SingleStack" },
    ],
    [
      "headless and without a selector",
      { clusterIP: "None", ports },
      { clusterIPs: ["None"], ipFamilyPolicy: "RequireDualStack", ipFamilies: ["IPv4", "IPv6"] },
    ],
  ];
  for (const [what, spec, expected] of cases)
    test(`${what} gets what that needs`, () => expect(filled(serviceKind, { spec }).spec).toMatchObject(expected));

  test("that is only a name gets no address family", () => {
    const { spec } = filled(serviceKind, { spec: { type: "ExternalName", externalName: "a.example.com" } });
    expect<unknown>(spec).toEqual({ type: "ExternalName", externalName: "a.example.com", sessionAffinity: "None" });
  });
});

test("a secret's text becomes data, and its type Opaque", () => {
  const { type, data, stringData } = filled(secretKind, { data: { a: "YQ==", b: "Yg==" }, stringData: { a: "hé" } });
  expect({ type, data, stringData }).toEqual({ type: "Opaque", data: { a: "aMOp", b: "Yg==" }, stringData: undefined });
});

test("a namespace is active, named by a label, and holds on to its content", () => {
  expect<unknown>(filled(namespaceKind, { metadata: { name: "team", labels: { a: "b" } } })).toEqual({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "team", labels: { a: "b", "kubernetes.io/metadata.name": "team" } },
    spec: { finalizers: ["kubernetes"] },
    status: { phase: "Active" },
  });
});

test("a node can give out all that it has", () =>
  expect(filled(nodeKind, { status: { capacity: { cpu: "4" } } }).status?.allocatable).toEqual({ cpu: "4" }));

test("endpoints' ports are TCP", () => {
  expect(filled(endpointsKind, { subsets: [{ ports: [{ port: 80 }] }] }).subsets).toEqual([
    { ports: [{ port: 80, protocol: "TCP" }] },
  ]);
  expect(filled(endpointSliceKind, { addressType: "IPv4", ports: [{ port: 80 }] }).ports).toEqual([
    { name: "", port: 80, protocol: "TCP" },
  ]);
});
