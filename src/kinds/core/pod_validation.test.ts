import { describe, expect, test } from "bun:test";
import { createProblems } from "../validation.test_support.ts";
import { podKind } from "./pod.ts";
import { podWarnings } from "./pod_warnings.ts";

type Fields = Record<string, unknown>;
const container = (more: Fields = {}) => ({ name: "a", image: "nginx", ...more });
const of = (more: Fields) => createProblems(podKind, { spec: { containers: [container()], ...more } });
const ofContainer = (more: Fields) => of({ containers: [container(more)] });
const at = "spec.containers[0]";

test("a pod that says much and nothing wrong is accepted", () => {
  const probe = { httpGet: { path: "/", port: "http" }, initialDelaySeconds: 5 };
  expect(
    of({
      initContainers: [
        { name: "init", image: "x" },
        { name: "sidecar", image: "x", restartPolicy: "Always", livenessProbe: { exec: { command: ["true"] } } },
      ],
      containers: [
        container({
          command: ["sh"],
          ports: [
            { name: "http", containerPort: 80 },
            { containerPort: 53, protocol: "UDP" },
          ],
          env: [
            { name: "A", value: "x" },
            { name: "LABEL", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
            { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu", divisor: "1m" } } },
            { name: "C", valueFrom: { configMapKeyRef: { name: "c", key: "k" } } },
            { name: "S", valueFrom: { secretKeyRef: { name: "s", key: "k", optional: true } } },
          ],
          envFrom: [{ prefix: "P_", configMapRef: { name: "c" } }, { secretRef: { name: "s" } }],
          resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { cpu: "1", memory: "64Mi" } },
          volumeMounts: [
            { name: "v", mountPath: "/v", subPath: "a/b" },
            { name: "c", mountPath: "/c" },
          ],
          livenessProbe: probe,
          readinessProbe: { ...probe, successThreshold: 2 },
          startupProbe: { tcpSocket: { port: 80 } },
          lifecycle: { preStop: { sleep: { seconds: 5 } } },
          securityContext: { runAsUser: 1000, allowPrivilegeEscalation: false },
        }),
      ],
      volumes: [
        { name: "v", emptyDir: { sizeLimit: "1Gi" } },
        { name: "c", projected: { sources: [{ configMap: { name: "c", items: [{ key: "a", path: "b" }] } }] } },
      ],
      nodeSelector: { "kubernetes.io/os": "linux" },
      tolerations: [{ key: "a", operator: "Equal", value: "b", effect: "NoSchedule" }],
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: "zone", operator: "In", values: ["a"] }] }],
          },
        },
      },
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: "zone",
          whenUnsatisfiable: "DoNotSchedule",
          labelSelector: { matchLabels: { a: "b" } },
        },
      ],
      dnsConfig: {
        nameservers: ["10.43.0.10"],
        searches: ["a.example.com."],
        options: [{ name: "ndots", value: "5" }],
      },
      hostAliases: [{ ip: "10.0.0.1", hostnames: ["a.example.com"] }],
      securityContext: { fsGroup: 1, sysctls: [{ name: "net.ipv4.ip_forward", value: "1" }] },
    }),
  ).toEqual([]);
});

describe("a container is refused for", () => {
  const cases: [string, Fields, string, number?][] = [
    ["no name", { name: undefined }, `${at}.name: Required value`],
    ["a name that is no label", { name: "a.b" }, `${at}.name: Invalid value: "a.b": must not contain dots`],
    ["no image", { image: "" }, `${at}.image: Required value`],
    [
      "spaces around the image",
      { image: " x" },
      `${at}.image: Invalid value: " x": must not have leading or trailing whitespace`,
    ],
    [
      "a pull policy that is none",
      { imagePullPolicy: "Sometimes" },
      `${at}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"`,
    ],
    ["a port 0", { ports: [{}] }, `${at}.ports[0].containerPort: Required value`],
    [
      "a port beyond 65535",
      { ports: [{ containerPort: 70000 }] },
      `${at}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive`,
    ],
    [
      "a protocol that is none",
      { ports: [{ containerPort: 80, protocol: "tcp" }] },
      `${at}.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"`,
    ],
    [
      "two ports of one name",
      {
        ports: [
          { name: "http", containerPort: 80 },
          { name: "http", containerPort: 81 },
        ],
      },
      `${at}.ports[1].name: Duplicate value: "http"`,
    ],
    [
      "a port's name that is none",
      { ports: [{ name: "80", containerPort: 80 }] },
      `${at}.ports[0].name: Invalid value: "80": must contain at least one letter (a-z)`,
    ],
    [
      "one host port twice",
      {
        ports: [
          { containerPort: 80, hostPort: 80 },
          { containerPort: 81, hostPort: 80 },
        ],
      },
      `${at}.ports[1].hostPort: Duplicate value: "TCP//80"`,
    ],
    ["a variable without a name", { env: [{ value: "x" }] }, `${at}.env[0].name: Required value`],
    [
      "a variable with an equals sign",
      { env: [{ name: "A=B" }] },
      `${at}.env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than '='`,
    ],
    [
      "a variable with a value and a source",
      { env: [{ name: "A", value: "x", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }] },
      `${at}.env[0].valueFrom: Invalid value: "": may not be specified when \`value\` is not empty`,
    ],
    [
      "a variable from two sources",
      {
        env: [
          { name: "A", valueFrom: { configMapKeyRef: { name: "c", key: "k" }, secretKeyRef: { name: "c", key: "k" } } },
        ],
      },
      `${at}.env[0].valueFrom: Invalid value: "": may not have more than one field specified at a time`,
    ],
    [
      "a variable from a field that there is not",
      { env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "spec.foo" } } }] },
      `${at}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "spec.foo": supported values: "metadata.name"`,
    ],
    [
      "a variable in a unit that there is not",
      { env: [{ name: "A", valueFrom: { resourceFieldRef: { resource: "limits.cpu", divisor: "1Mi" } } }] },
      `${at}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource`,
    ],
    [
      "a key that is missing",
      { env: [{ name: "A", valueFrom: { secretKeyRef: { name: "s" } } }] },
      `${at}.env[0].valueFrom.secretKeyRef.key: Required value`,
    ],
    [
      "variables from nowhere",
      { envFrom: [{}] },
      `${at}.envFrom: Invalid value: "": must specify one of: \`configMapRef\` or \`secretRef\``,
    ],
    [
      "a request beyond its limit",
      { resources: { requests: { cpu: "2" }, limits: { cpu: "1" } } },
      `${at}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1`,
    ],
    [
      "a resource that is none",
      { resources: { limits: { disk: "1" } } },
      `${at}.resources.limits[disk]: Invalid value: "disk": must be a standard resource for containers`,
      // The limit is also the request.
      2,
    ],
    [
      "less than nothing",
      { resources: { limits: { memory: "-1Gi" } } },
      `${at}.resources.limits[memory]: Invalid value: "-1Gi": must be greater than or equal to 0`,
      // The limit is also the request.
      2,
    ],
    [
      "half of what is had whole",
      { resources: { limits: { "example.com/gpu": "500m" } } },
      `${at}.resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer`,
      // The limit is also the request.
      2,
    ],
    [
      "what is had whole requested without a limit",
      { resources: { requests: { "example.com/gpu": "1" } } },
      `${at}.resources.limits: Required value: Limit must be set for non overcommitable resources`,
    ],
    [
      "a resource that has the name of an object's prototype",
      { resources: { limits: { cpu: "1" }, requests: JSON.parse('{"__proto__":"1"}') } },
      `${at}.resources.requests[__proto__]: Invalid value: "__proto__": name part must consist of`,
      2,
    ],
    [
      "a mount of no volume",
      { volumeMounts: [{ name: "v", mountPath: "/v" }] },
      `${at}.volumeMounts[0].name: Not found: "v"`,
    ],
    [
      "a probe that does nothing",
      { livenessProbe: {} },
      `${at}.livenessProbe: Required value: must specify a handler type`,
    ],
    [
      "a probe that does two things",
      { livenessProbe: { exec: { command: ["a"] }, tcpSocket: { port: 1 } } },
      `${at}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type`,
    ],
    ["a probe without a command", { livenessProbe: { exec: {} } }, `${at}.livenessProbe.exec.command: Required value`],
    [
      "a probe of a port that is none",
      { livenessProbe: { httpGet: { port: 0 } } },
      `${at}.livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive`,
    ],
    [
      "a liveness probe that must succeed twice",
      { livenessProbe: { tcpSocket: { port: 1 }, successThreshold: 2 } },
      `${at}.livenessProbe.successThreshold: Invalid value: 2: must be 1`,
    ],
    [
      "a probe in the past",
      { readinessProbe: { tcpSocket: { port: 1 }, initialDelaySeconds: -1 } },
      `${at}.readinessProbe.initialDelaySeconds: Invalid value: -1: must be greater than or equal to 0`,
    ],
    [
      "a readiness probe with a grace",
      { readinessProbe: { tcpSocket: { port: 1 }, terminationGracePeriodSeconds: 1 } },
      `${at}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes`,
    ],
    [
      "a hook longer than the grace",
      { lifecycle: { preStop: { sleep: { seconds: 31 } } } },
      `${at}.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)`,
    ],
    [
      "a user that is none",
      { securityContext: { runAsUser: -1 } },
      `${at}.securityContext.runAsUser: Invalid value: -1: must be between 0 and 4294967295, inclusive`,
    ],
    [
      "privileges both had and refused",
      { securityContext: { privileged: true, allowPrivilegeEscalation: false } },
      `${at}.securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: cannot set \`allowPrivilegeEscalation\` to false and \`privileged\` to true`,
    ],
  ];
  for (const [what, more, text, count = 1] of cases)
    test(what, () => {
      const problems = ofContainer(more);
      expect(problems.length).toBe(count);
      expect(problems[0]).toStartWith(text);
    });
});

describe("a pod is refused for", () => {
  const volumes = (...list: Fields[]) => ({ volumes: list });
  const cases: [string, Fields, string, number?][] = [
    ["no containers", { containers: [] }, "spec.containers: Required value"],
    [
      "two containers of one name",
      { containers: [container(), container()] },
      'spec.containers[1].name: Duplicate value: "a"',
    ],
    [
      "an init container of the same name",
      { initContainers: [container()] },
      'spec.initContainers[0].name: Duplicate value: "a"',
    ],
    [
      "an init container with a probe",
      { initContainers: [{ name: "i", image: "x", readinessProbe: { tcpSocket: { port: 1 } } }] },
      "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
    ],
    [
      "an ephemeral container at its creation",
      { ephemeralContainers: [{ name: "e", image: "x" }] },
      "spec.ephemeralContainers: Forbidden: cannot be set on create",
    ],
    [
      "a restart policy that is none",
      { restartPolicy: "always" },
      'spec.restartPolicy: Unsupported value: "always": supported values: "Always", "Never", "OnFailure"',
    ],
    ["a DNS policy that is none", { dnsPolicy: "x" }, 'spec.dnsPolicy: Unsupported value: "x"'],
    [
      "DNS by itself without servers",
      { dnsPolicy: "None" },
      "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
    ],
    [
      "too many name servers",
      { dnsConfig: { nameservers: ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"] } },
      "spec.dnsConfig.nameservers: Invalid value",
    ],
    ["a node selector that is none", { nodeSelector: { "a b": "c" } }, 'spec.nodeSelector: Invalid value: "a b"'],
    [
      "a deadline of nothing",
      { activeDeadlineSeconds: 0 },
      "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
    ],
    ["a host name with dots", { hostname: "a.b" }, 'spec.hostname: Invalid value: "a.b": must not contain dots'],
    ["a service account that is none", { serviceAccountName: "A" }, 'spec.serviceAccountName: Invalid value: "A"'],
    [
      "a toleration of everything by value",
      { tolerations: [{ value: "x" }] },
      'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    ],
    [
      "a toleration that ends and does not evict",
      { tolerations: [{ key: "a", operator: "Exists", effect: "NoSchedule", tolerationSeconds: 1 }] },
      "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when `tolerationSeconds` is set",
    ],
    [
      "an affinity without a topology",
      { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector: {} }] } } },
      "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty",
      3,
    ],
    [
      "a preference beyond measure",
      {
        affinity: {
          nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 101, preference: {} }] },
        },
      },
      "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100",
    ],
    [
      "a skew of nothing",
      { topologySpreadConstraints: [{ maxSkew: 0, topologyKey: "zone", whenUnsatisfiable: "ScheduleAnyway" }] },
      "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
    ],
    [
      "an alias of no address",
      { hostAliases: [{ ip: "x" }] },
      'spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address',
    ],
    [
      "a sysctl that is none",
      { securityContext: { sysctls: [{ name: "A" }] } },
      'spec.securityContext.sysctls[0].name: Invalid value: "A"',
    ],
    [
      "a volume of two kinds",
      volumes({ name: "v", emptyDir: {}, hostPath: { path: "/" } }),
      "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
    ],
    ["a volume without a name", volumes({ emptyDir: {} }), "spec.volumes[0].name: Required value"],
    ["two volumes of one name", volumes({ name: "v" }, { name: "v" }), 'spec.volumes[1].name: Duplicate value: "v"'],
    [
      "a path upwards",
      volumes({ name: "v", hostPath: { path: "/a/../b" } }),
      "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
    ],
    [
      "a secret without a name",
      volumes({ name: "v", secret: {} }),
      "spec.volumes[0].secret.secretName: Required value",
    ],
    [
      "a config map without a name",
      volumes({ name: "v", configMap: {} }),
      "spec.volumes[0].configMap.name: Required value",
    ],
    [
      "a file mode that is none",
      volumes({ name: "v", secret: { secretName: "s", defaultMode: 0o1000 } }),
      "spec.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive",
    ],
    [
      "a file outside the volume",
      volumes({ name: "v", secret: { secretName: "s", items: [{ key: "a", path: "/etc/passwd" }] } }),
      'spec.volumes[0].secret.items[0].path: Invalid value: "/etc/passwd": must be a relative path',
    ],
    [
      "a token too short-lived",
      volumes({ name: "v", projected: { sources: [{ serviceAccountToken: { path: "t", expirationSeconds: 60 } }] } }),
      "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes",
    ],
    [
      "the host's processes shared twice",
      { hostPID: true, shareProcessNamespace: true },
      "spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled",
    ],
  ];
  for (const [what, more, text, count = 1] of cases)
    test(what, () => {
      const problems = of(more);
      expect(problems[0]).toStartWith(text);
      expect(problems.length).toBe(count);
    });
});

test("a pod that is unwise is warned about", () => {
  const env = [{ name: "A" }, { name: "B" }, { name: "A" }];
  const ports = [{ containerPort: 80 }, { containerPort: 80 }];
  expect(podWarnings({ spec: { containers: [{ name: "a", env, ports }], terminationGracePeriodSeconds: -1 } })).toEqual(
    [
      "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
      'spec.containers[0].env[2]: hides previous definition of "A", which may be dropped when using apply',
      "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
    ],
  );
});
