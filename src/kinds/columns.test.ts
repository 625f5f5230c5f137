import { describe, expect, test } from "bun:test";
import { allKinds } from "./all.ts";
import { checkObject } from "./check.ts";
import { shortList } from "./columns.ts";
import type { KubeObject, Observed } from "./kind.ts";
import { KindRegistry } from "./registry.ts";

const registry = new KindRegistry(allKinds);
const now = Date.parse("2026-11-23T22:00:00Z");
const metadata = {
  name: "web",
  namespace: "default",
  uid: "u",
  resourceVersion: "1",
  creationTimestamp: "2026-11-23T21:55:00Z",
};

function rowOf(word: string, body: Record<string, unknown>): (string | number)[] {
  const kind = registry.byWord(word);
  if (kind === undefined) throw new Error(`Cannot find a kind called ${word}`);
  const own = typeof body.metadata === "object" ? body.metadata : {};
  const checked = checkObject(kind, { status: {}, ...body, metadata: { ...metadata, ...own } }).object;
  // What the API returns has the identity that `metadata` above gives it.
  const object = checked as Observed<KubeObject>;
  return kind.columns.map((column) => column.cell(object, now));
}

describe("kubectl's row", () => {
  const template = {
    spec: {
      containers: [
        { name: "a", image: "x:1" },
        { name: "b", image: "y:2" },
      ],
    },
  };
  const selector = { matchLabels: { app: "web" } };
  const cases: [string, string, Record<string, unknown>, (string | number)[]][] = [
    [
      "of a deployment",
      "deploy",
      {
        spec: { replicas: 3, selector, template },
        status: { readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1 },
      },
      ["web", "1/3", 2, 1, "5m", "a,b", "x:1,y:2", "app=web"],
    ],
    [
      "of a replica set",
      "rs",
      { spec: { replicas: 3, selector, template }, status: { replicas: 2, readyReplicas: 1 } },
      ["web", 3, 2, 1, "5m", "a,b", "x:1,y:2", "app=web"],
    ],
    [
      "of a ClusterIP service",
      "svc",
      {
        spec: {
          type: "ClusterIP",
          clusterIP: "10.43.0.7",
          clusterIPs: ["10.43.0.7"],
          ports: [{ port: 80, protocol: "TCP" }],
        },
      },
      ["web", "ClusterIP", "10.43.0.7", "<none>", "80/TCP", "5m", "<none>"],
    ],
    [
      "of a NodePort service",
      "svc",
      {
        spec: {
          type: "NodePort",
          clusterIP: "10.43.0.7",
          externalIPs: ["192.0.2.1"],
          selector: { app: "web" },
          ports: [
            { port: 80, nodePort: 30080, protocol: "TCP" },
            { port: 53, protocol: "UDP" },
          ],
        },
      },
      ["web", "NodePort", "10.43.0.7", "192.0.2.1", "80:30080/TCP,53/UDP", "5m", "app=web"],
    ],
    [
      "of a LoadBalancer service that waits for its address",
      "svc",
      { spec: { type: "LoadBalancer", clusterIP: "10.43.0.7" } },
      ["web", "LoadBalancer", "10.43.0.7", "<pending>", "<none>", "5m", "<none>"],
    ],
    [
      "of a LoadBalancer service that has addresses",
      "svc",
      {
        spec: { type: "LoadBalancer", clusterIP: "10.43.0.7", ports: [{ port: 80, protocol: "TCP" }] },
        status: { loadBalancer: { ingress: [{ ip: "192.0.2.9" }, { hostname: "a.example.com" }] } },
      },
      ["web", "LoadBalancer", "10.43.0.7", "192.0.2.9,a.example.com", "80/TCP", "5m", "<none>"],
    ],
    [
      "of an ExternalName service",
      "svc",
      { spec: { type: "ExternalName", externalName: "db.example.com" } },
      ["web", "ExternalName", "<none>", "db.example.com", "<none>", "5m", "<none>"],
    ],
    [
      "of a headless service",
      "svc",
      { spec: { type: "ClusterIP", clusterIP: "None", clusterIPs: ["None"] } },
      ["web", "ClusterIP", "None", "<none>", "<none>", "5m", "<none>"],
    ],
    [
      "of endpoints",
      "ep",
      {
        subsets: [
          { addresses: [{ ip: "10.42.0.1" }, { ip: "10.42.0.2" }], ports: [{ port: 80 }, { port: 443 }] },
          { addresses: [{ ip: "fd00::1" }], ports: [{ port: 80 }] },
        ],
      },
      ["web", "10.42.0.1:80,10.42.0.2:80,10.42.0.1:443 + 2 more...", "5m"],
    ],
    ["of endpoints without any", "ep", {}, ["web", "<none>", "5m"]],
    [
      "of endpoints of a headless service",
      "ep",
      { subsets: [{ addresses: [{ ip: "10.42.0.1" }] }] },
      ["web", "10.42.0.1", "5m"],
    ],
    [
      "of an endpoint slice",
      "endpointslice",
      {
        addressType: "IPv4",
        ports: [{ port: 80 }, { name: "dns" }],
        endpoints: [{ addresses: ["10.42.0.1"] }, { addresses: ["10.42.0.2"] }],
      },
      ["web", "IPv4", "80,dns", "10.42.0.1,10.42.0.2", "5m"],
    ],
    [
      "of an empty endpoint slice",
      "endpointslice",
      { addressType: "IPv4" },
      ["web", "IPv4", "<unset>", "<unset>", "5m"],
    ],
    ["of a config map", "cm", { data: { a: "1", b: "2" }, binaryData: { c: "YQ==" } }, ["web", 3, "5m"]],
    ["of a secret", "secret", { type: "Opaque", data: { a: "YQ==" } }, ["web", "Opaque", 1, "5m"]],
    ["of a service account", "sa", { secrets: [{ name: "a" }] }, ["web", 1, "5m"]],
    ["of a namespace", "ns", { status: { phase: "Active" } }, ["web", "Active", "5m"]],
    ["of a lease", "lease", { spec: { holderIdentity: "n1" } }, ["web", "n1", "5m"]],
    [
      "of a node",
      "node",
      {
        metadata: {
          labels: {
            "node-role.kubernetes.io/worker": "",
            "node-role.kubernetes.io/control-plane": "",
            "kubernetes.io/role": "edge",
          },
        },
        spec: { unschedulable: true },
        status: {
          conditions: [{ type: "Ready", status: "True" }],
          addresses: [
            { type: "InternalIP", address: "192.0.2.5" },
            { type: "Hostname", address: "n1" },
          ],
          nodeInfo: {
            kubeletVersion: "v1.35.0",
            osImage: "Debian",
            kernelVersion: "6.1",
            containerRuntimeVersion: "docker://27",
          },
        },
      },
      [
        "web",
        "Ready,SchedulingDisabled",
        "control-plane,edge,worker",
        "5m",
        "v1.35.0",
        "192.0.2.5",
        "<none>",
        "Debian",
        "6.1",
        "docker://27",
      ],
    ],
    [
      "of a node that is not heard of",
      "node",
      { status: { conditions: [{ type: "Ready", status: "Unknown" }] } },
      ["web", "NotReady", "<none>", "5m", "", "<none>", "<none>", "<unknown>", "<unknown>", "<unknown>"],
    ],
    [
      "of an event",
      "ev",
      {
        involvedObject: { kind: "Pod", name: "web-1", fieldPath: "spec.containers{web}" },
        type: "Warning",
        reason: "BackOff",
        message: " Back-off restarting \n",
        source: { component: "kubelet", host: "n1" },
        firstTimestamp: "2026-11-23T21:00:00Z",
        lastTimestamp: "2026-11-23T21:59:30Z",
        count: 12,
      },
      [
        "30s",
        "Warning",
        "BackOff",
        "pod/web-1",
        "spec.containers{web}",
        "kubelet, n1",
        "Back-off restarting",
        "60m",
        12,
        "web",
      ],
    ],
    [
      "of an event of the newer form",
      "ev",
      {
        involvedObject: { kind: "Node" },
        type: "Normal",
        reason: "Scheduled",
        reportingComponent: "default-scheduler",
        eventTime: "2026-11-23T21:58:00.000000Z",
      },
      ["2m", "Normal", "Scheduled", "node", "", "default-scheduler", "", "2m", 1, "web"],
    ],
    [
      "of an event that happens again and again",
      "ev",
      {
        involvedObject: { kind: "Pod", name: "web-1" },
        eventTime: "2026-11-23T21:00:00.000000Z",
        series: { count: 5, lastObservedTime: "2026-11-23T21:59:00.000000Z" },
      },
      ["60s", "", "", "pod/web-1", "", "", "", "60m", 5, "web"],
    ],
  ];
  for (const [what, word, body, row] of cases) test(what, () => expect(rowOf(word, body)).toEqual(row));

  test("has exactly the columns of kubectl, the wide ones marked", () => {
    const headers = Object.fromEntries(
      allKinds.map(({ kind, columns }) => [
        kind,
        columns.map(({ name, priority }) => (priority === 1 ? `${name}*` : name)).join("|"),
      ]),
    );
    expect(headers).toMatchObject({
      Node: "Name|Status|Roles|Age|Version|Internal-IP*|External-IP*|OS-Image*|Kernel-Version*|Container-Runtime*",
      Namespace: "Name|Status|Age",
      Service: "Name|Type|Cluster-IP|External-IP|Port(s)|Age|Selector*",
      Endpoints: "Name|Endpoints|Age",
      EndpointSlice: "Name|AddressType|Ports|Endpoints|Age",
      ConfigMap: "Name|Data|Age",
      Secret: "Name|Type|Data|Age",
      ServiceAccount: "Name|Secrets|Age",
      Event: "Last Seen|Type|Reason|Object|Subobject*|Source*|Message|First Seen*|Count*|Name*",
      ReplicaSet: "Name|Desired|Current|Ready|Age|Containers*|Images*|Selector*",
      Deployment: "Name|Ready|Up-to-date|Available|Age|Containers*|Images*|Selector*",
      Lease: "Name|Holder|Age",
    });
  });
});

test("a long list is cut after three", () => {
  expect(shortList([], "<none>")).toBe("<none>");
  expect(shortList(["a", "b", "c"], "")).toBe("a,b,c");
  expect(shortList(["a", "b", "c", "d"], "")).toBe("a,b,c + 1 more...");
});
