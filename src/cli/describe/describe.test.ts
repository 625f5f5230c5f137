import { describe, expect, test } from "bun:test";
import { type Answer, wherry } from "../cluster.test_support.ts";

const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: "web-1",
    namespace: "default",
    uid: "u",
    creationTimestamp: "2026-11-23T11:55:00Z",
    labels: { app: "web", tier: "front" },
    annotations: { note: "checked" },
    ownerReferences: [{ kind: "ReplicaSet", name: "web", uid: "r", controller: true }],
  },
  spec: {
    nodeName: "boat",
    serviceAccountName: "default",
    containers: [
      {
        name: "nginx",
        image: "nginx",
        ports: [{ containerPort: 80, protocol: "TCP" }],
        command: ["nginx", "-g"],
        env: [
          { name: "A", value: "b" },
          { name: "C", valueFrom: { secretKeyRef: { name: "s", key: "k" } } },
        ],
        resources: { requests: { cpu: "100m", memory: "64Mi" } },
        readinessProbe: { httpGet: { path: "/", port: 80, scheme: "HTTP" }, periodSeconds: 5 },
        volumeMounts: [{ name: "scratch", mountPath: "/tmp" }],
      },
    ],
    volumes: [{ name: "scratch", emptyDir: {} }],
    tolerations: [
      { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
    ],
  },
  status: {
    phase: "Running",
    hostIP: "192.0.2.7",
    podIP: "10.42.0.2",
    podIPs: [{ ip: "10.42.0.2" }],
    startTime: "2026-11-23T11:55:01Z",
    qosClass: "Burstable",
    conditions: [
      { type: "PodReadyToStartContainers", status: "True" },
      { type: "Ready", status: "True" },
    ],
    containerStatuses: [
      {
        name: "nginx",
        ready: true,
        restartCount: 1,
        image: "nginx",
        containerID: "docker://abc",
        imageID: "docker://sha256:def",
        state: { running: { startedAt: "2026-11-23T11:55:03Z" } },
        lastState: {
          terminated: {
            exitCode: 1,
            reason: "Error",
            startedAt: "2026-11-23T11:55:01Z",
            finishedAt: "2026-11-23T11:55:02Z",
          },
        },
      },
    ],
  },
};
const events = {
  items: [
    {
      type: "Warning",
      reason: "BackOff",
      message: "Back-off restarting failed container",
      count: 3,
      firstTimestamp: "2026-11-23T11:56:00Z",
      lastTimestamp: "2026-11-23T11:59:30Z",
      source: { component: "kubelet" },
      involvedObject: { fieldPath: "spec.containers{nginx}" },
      metadata: { creationTimestamp: "2026-11-23T11:56:00Z" },
    },
    {
      type: "Normal",
      reason: "Scheduled",
      message: "Successfully assigned default/web-1 to boat",
      eventTime: "2026-11-23T11:55:00.000000Z",
      reportingComponent: "default-scheduler",
      involvedObject: {},
      metadata: { creationTimestamp: "2026-11-23T11:55:00Z" },
    },
  ],
};

const answer: Answer = ({ path }) => {
  if (path.includes("/events?")) return path.includes("involvedObject.uid=u") ? events : { items: [] };
  if (path.includes("/pods?"))
    return { items: path.includes("metadata.name=web-1") || !path.includes("metadata.name") ? [pod] : [] };
  return path.endsWith("/pods/web-1") ? pod : undefined;
};

describe("describe", () => {
  const golden = `Name:             web-1
Namespace:        default
Priority:         0
Service Account:  default
Node:             boat/192.0.2.7
Start Time:       Mon, 23 Nov 2026 11:55:01 +0000
Labels:           app=web
                  tier=front
Annotations:      note: checked
Status:           Running
IP:               10.42.0.2
IPs:
  IP:           10.42.0.2
Controlled By:  ReplicaSet/web
Containers:
  nginx:
    Container ID:  docker://abc
    Image:         nginx
    Image ID:      docker://sha256:def
    Port:          80/TCP
    Host Port:     0/TCP
    Command:
      nginx
      -g
    State:          Running
      Started:      Mon, 23 Nov 2026 11:55:03 +0000
    Last State:     Terminated
      Reason:       Error
      Exit Code:    1
      Started:      Mon, 23 Nov 2026 11:55:01 +0000
      Finished:     Mon, 23 Nov 2026 11:55:02 +0000
    Ready:          True
    Restart Count:  1
    Requests:
      cpu:      100m
      memory:   64Mi
    Readiness:  http-get http://:80/ delay=0s timeout=1s period=5s #success=1 #failure=3
    Environment:
      A:  b
      C:  <set to the key 'k' in secret 's'>  Optional: false
    Mounts:
      /tmp from scratch (rw)
Conditions:
  Type                        Status
  PodReadyToStartContainers   True 
  Ready                       True 
Volumes:
  scratch:
    Type:        EmptyDir (a temporary directory that shares a pod's lifetime)
    Medium:      
    SizeLimit:   <unset>
QoS Class:       Burstable
Node-Selectors:  <none>
Tolerations:     node.kubernetes.io/not-ready:NoExecute op=Exists for 300s
Events:
  Type     Reason     Age               From               Message
  ----     ------     ----              ----               -------
  Normal   Scheduled  5m                default-scheduler  Successfully assigned default/web-1 to boat
  Warning  BackOff    30s (x3 over 4m)  kubelet            spec.containers{nginx}: Back-off restarting failed container
`;

  test("a pod's story is laid out as kubectl lays it out", async () => {
    const { out, code } = await wherry(["describe", "pod", "web-1"], { answer });
    expect(out).toBe(golden);
    expect(code).toBe(0);
  });

  test("a name may be the start of names, and no name means all", async () => {
    expect((await wherry(["describe", "pod", "web"], { answer })).out).toBe(`${golden}\n`);
    expect((await wherry(["describe", "pods"], { answer })).out).toBe(golden);
  });

  test("what is not there is the server's NotFound", async () => {
    expect(await wherry(["describe", "pod", "nobody"], { answer })).toMatchObject({
      code: 1,
      err: 'Error from server (NotFound): pods "nobody" not found\n',
    });
  });

  test("a secret shows sizes, never contents", async () => {
    const secret = {
      metadata: { name: "s", namespace: "default" },
      type: "Opaque",
      data: { password: "c3dvcmRmaXNo" },
    };
    const { out } = await wherry(["describe", "secret", "s"], {
      answer: ({ path }) => (path.includes("?") ? { items: [secret] } : secret),
    });
    expect(out).toContain("password:  9 bytes");
    expect(out).not.toContain("swordfish");
    expect(out).not.toContain("c3dvcmRmaXNo");
  });

  test("Endpoints, EndpointSlices and a kind without a describer of its own read as kubectl's do", async () => {
    const metadata = { name: "web", namespace: "default", uid: "u1", labels: { app: "web" } };
    const told = async (type: string, object: object) => {
      const found: Answer = ({ path }) =>
        path.includes("/events?") ? { items: [] } : path.includes("?") ? { items: [object] } : object;
      return (await wherry(["describe", type, "web"], { answer: found })).out;
    };
    const subsets = [{ addresses: [{ ip: "10.42.0.3" }], ports: [{ port: 80, protocol: "TCP" }] }];
    expect(await told("endpoints", { apiVersion: "v1", kind: "Endpoints", metadata, subsets })).toBe(
      [
        "Name:         web",
        "Namespace:    default",
        "Labels:       app=web",
        "Annotations:  <none>",
        "Subsets:",
        "  Addresses:          10.42.0.3",
        "  NotReadyAddresses:  <none>",
        "  Ports:",
        "    Name     Port  Protocol",
        "    ----     ----  --------",
        "    <unset>  80    TCP",
        "",
        "Events:  <none>",
        "",
      ].join("\n"),
    );
    const slice = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata,
      addressType: "IPv4",
      ports: [{ name: "", port: 80, protocol: "TCP" }],
      endpoints: [
        {
          addresses: ["10.42.0.3"],
          conditions: { ready: true },
          nodeName: "boat",
          targetRef: { kind: "Pod", name: "web-1" },
        },
      ],
    };
    expect(await told("endpointslice", slice)).toEndWith(
      [
        "AddressType:  IPv4",
        "Ports:",
        "  Name     Port  Protocol",
        "  ----     ----  --------",
        "  <unset>  80    TCP",
        "Endpoints:",
        "  - Addresses:  10.42.0.3",
        "    Conditions:",
        "      Ready:    true",
        "    Hostname:   <unset>",
        "    TargetRef:  Pod/web-1",
        "    NodeName:   boat",
        "    Zone:       <unset>",
        "Events:         <none>",
        "",
      ].join("\n"),
    );
    const owner = { apiVersion: "v1", kind: "Node", name: "boat", uid: "n" };
    const lease = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { ...metadata, ownerReferences: [owner] },
      spec: { holderIdentity: "boat" },
    };
    expect(await told("lease", lease)).toEndWith(
      [
        "API Version:  coordination.k8s.io/v1",
        "Kind:         Lease",
        "Metadata:",
        "  Owner References:",
        "    API Version:  v1",
        "    Kind:         Node",
        "    Name:         boat",
        "    UID:          n",
        "  UID:            u1",
        "Spec:",
        "  Holder Identity:  boat",
        "Events:             <none>",
        "",
      ].join("\n"),
    );
  });
});
