import {
  boolean,
  type Infer,
  int32,
  int64,
  intOrString,
  list,
  map,
  message,
  optional,
  quantity,
  required,
  string,
} from "../schema.ts";
import { ObjectFieldSelector, ResourceFieldSelector } from "./reference.ts";

export const AppArmorProfile = message("io.k8s.api.core.v1.AppArmorProfile", {
  localhostProfile: optional(2, string),
  type: required(1, string),
});
export type AppArmorProfile = Infer<typeof AppArmorProfile>;

export const Capabilities = message("io.k8s.api.core.v1.Capabilities", {
  add: optional(1, list(string), { listType: "atomic" }),
  drop: optional(2, list(string), { listType: "atomic" }),
});
export type Capabilities = Infer<typeof Capabilities>;

export const ConfigMapEnvSource = message("io.k8s.api.core.v1.ConfigMapEnvSource", {
  name: optional([1, 1], string),
  optional: optional(2, boolean),
});
export type ConfigMapEnvSource = Infer<typeof ConfigMapEnvSource>;

export const ConfigMapKeySelector = message(
  "io.k8s.api.core.v1.ConfigMapKeySelector",
  {
    key: required(2, string),
    name: optional([1, 1], string),
    optional: optional(3, boolean),
  },
  { mapType: "atomic" },
);
export type ConfigMapKeySelector = Infer<typeof ConfigMapKeySelector>;

export const FileKeySelector = message(
  "io.k8s.api.core.v1.FileKeySelector",
  {
    key: required(3, string),
    optional: optional(4, boolean),
    path: required(2, string),
    volumeName: required(1, string),
  },
  { mapType: "atomic" },
);
export type FileKeySelector = Infer<typeof FileKeySelector>;

export const SecretKeySelector = message(
  "io.k8s.api.core.v1.SecretKeySelector",
  {
    key: required(2, string),
    name: optional([1, 1], string),
    optional: optional(3, boolean),
  },
  { mapType: "atomic" },
);
export type SecretKeySelector = Infer<typeof SecretKeySelector>;

export const EnvVarSource = message("io.k8s.api.core.v1.EnvVarSource", {
  configMapKeyRef: optional(3, ConfigMapKeySelector),
  fieldRef: optional(1, ObjectFieldSelector),
  fileKeyRef: optional(5, FileKeySelector),
  resourceFieldRef: optional(2, ResourceFieldSelector),
  secretKeyRef: optional(4, SecretKeySelector),
});
export type EnvVarSource = Infer<typeof EnvVarSource>;

export const EnvVar = message("io.k8s.api.core.v1.EnvVar", {
  name: required(1, string),
  value: optional(2, string),
  valueFrom: optional(3, EnvVarSource),
});
export type EnvVar = Infer<typeof EnvVar>;

export const SecretEnvSource = message("io.k8s.api.core.v1.SecretEnvSource", {
  name: optional([1, 1], string),
  optional: optional(2, boolean),
});
export type SecretEnvSource = Infer<typeof SecretEnvSource>;

export const EnvFromSource = message("io.k8s.api.core.v1.EnvFromSource", {
  configMapRef: optional(2, ConfigMapEnvSource),
  prefix: optional(1, string),
  secretRef: optional(3, SecretEnvSource),
});
export type EnvFromSource = Infer<typeof EnvFromSource>;

export const ExecAction = message("io.k8s.api.core.v1.ExecAction", {
  command: optional(1, list(string), { listType: "atomic" }),
});
export type ExecAction = Infer<typeof ExecAction>;

export const HTTPHeader = message("io.k8s.api.core.v1.HTTPHeader", {
  name: required(1, string),
  value: required(2, string),
});
export type HTTPHeader = Infer<typeof HTTPHeader>;

export const HTTPGetAction = message("io.k8s.api.core.v1.HTTPGetAction", {
  host: optional(3, string),
  httpHeaders: optional(5, list(HTTPHeader), { listType: "atomic" }),
  path: optional(1, string),
  port: required(2, intOrString),
  scheme: optional(4, string),
});
export type HTTPGetAction = Infer<typeof HTTPGetAction>;

export const SleepAction = message("io.k8s.api.core.v1.SleepAction", {
  seconds: required(1, int64),
});
export type SleepAction = Infer<typeof SleepAction>;

export const TCPSocketAction = message("io.k8s.api.core.v1.TCPSocketAction", {
  host: optional(2, string),
  port: required(1, intOrString),
});
export type TCPSocketAction = Infer<typeof TCPSocketAction>;

export const LifecycleHandler = message("io.k8s.api.core.v1.LifecycleHandler", {
  exec: optional(1, ExecAction),
  httpGet: optional(2, HTTPGetAction),
  sleep: optional(4, SleepAction),
  tcpSocket: optional(3, TCPSocketAction),
});
export type LifecycleHandler = Infer<typeof LifecycleHandler>;

export const Lifecycle = message("io.k8s.api.core.v1.Lifecycle", {
  postStart: optional(1, LifecycleHandler),
  preStop: optional(2, LifecycleHandler),
  stopSignal: optional(3, string),
});
export type Lifecycle = Infer<typeof Lifecycle>;

export const GRPCAction = message("io.k8s.api.core.v1.GRPCAction", {
  port: required(1, int32),
  service: optional(2, string),
});
export type GRPCAction = Infer<typeof GRPCAction>;

export const Probe = message("io.k8s.api.core.v1.Probe", {
  exec: optional([1, 1], ExecAction),
  failureThreshold: optional(6, int32),
  grpc: optional([1, 4], GRPCAction),
  httpGet: optional([1, 2], HTTPGetAction),
  initialDelaySeconds: optional(2, int32),
  periodSeconds: optional(4, int32),
  successThreshold: optional(5, int32),
  tcpSocket: optional([1, 3], TCPSocketAction),
  terminationGracePeriodSeconds: optional(7, int64),
  timeoutSeconds: optional(3, int32),
});
export type Probe = Infer<typeof Probe>;

export const ContainerPort = message("io.k8s.api.core.v1.ContainerPort", {
  containerPort: required(3, int32),
  hostIP: optional(5, string),
  hostPort: optional(2, int32),
  name: optional(1, string),
  protocol: optional(4, string),
});
export type ContainerPort = Infer<typeof ContainerPort>;

export const ContainerResizePolicy = message("io.k8s.api.core.v1.ContainerResizePolicy", {
  resourceName: required(1, string),
  restartPolicy: required(2, string),
});
export type ContainerResizePolicy = Infer<typeof ContainerResizePolicy>;

export const ResourceClaim = message("io.k8s.api.core.v1.ResourceClaim", {
  name: required(1, string),
  request: optional(2, string),
});
export type ResourceClaim = Infer<typeof ResourceClaim>;

export const ResourceRequirements = message("io.k8s.api.core.v1.ResourceRequirements", {
  claims: optional(3, list(ResourceClaim), { listType: "map", listMapKeys: ["name"] }),
  limits: optional(1, map(quantity)),
  requests: optional(2, map(quantity)),
});
export type ResourceRequirements = Infer<typeof ResourceRequirements>;

export const ContainerRestartRuleOnExitCodes = message("io.k8s.api.core.v1.ContainerRestartRuleOnExitCodes", {
  operator: required(1, string),
  values: optional(2, list(int32), { listType: "set" }),
});
export type ContainerRestartRuleOnExitCodes = Infer<typeof ContainerRestartRuleOnExitCodes>;

export const ContainerRestartRule = message("io.k8s.api.core.v1.ContainerRestartRule", {
  action: required(1, string),
  exitCodes: optional(2, ContainerRestartRuleOnExitCodes),
});
export type ContainerRestartRule = Infer<typeof ContainerRestartRule>;

export const SELinuxOptions = message("io.k8s.api.core.v1.SELinuxOptions", {
  level: optional(4, string),
  role: optional(2, string),
  type: optional(3, string),
  user: optional(1, string),
});
export type SELinuxOptions = Infer<typeof SELinuxOptions>;

export const SeccompProfile = message("io.k8s.api.core.v1.SeccompProfile", {
  localhostProfile: optional(2, string),
  type: required(1, string),
});
export type SeccompProfile = Infer<typeof SeccompProfile>;

export const WindowsSecurityContextOptions = message("io.k8s.api.core.v1.WindowsSecurityContextOptions", {
  gmsaCredentialSpec: optional(2, string),
  gmsaCredentialSpecName: optional(1, string),
  hostProcess: optional(4, boolean),
  runAsUserName: optional(3, string),
});
export type WindowsSecurityContextOptions = Infer<typeof WindowsSecurityContextOptions>;

export const SecurityContext = message("io.k8s.api.core.v1.SecurityContext", {
  allowPrivilegeEscalation: optional(7, boolean),
  appArmorProfile: optional(12, AppArmorProfile),
  capabilities: optional(1, Capabilities),
  privileged: optional(2, boolean),
  procMount: optional(9, string),
  readOnlyRootFilesystem: optional(6, boolean),
  runAsGroup: optional(8, int64),
  runAsNonRoot: optional(5, boolean),
  runAsUser: optional(4, int64),
  seLinuxOptions: optional(3, SELinuxOptions),
  seccompProfile: optional(11, SeccompProfile),
  windowsOptions: optional(10, WindowsSecurityContextOptions),
});
export type SecurityContext = Infer<typeof SecurityContext>;

export const VolumeDevice = message("io.k8s.api.core.v1.VolumeDevice", {
  devicePath: required(2, string),
  name: required(1, string),
});
export type VolumeDevice = Infer<typeof VolumeDevice>;

export const VolumeMount = message("io.k8s.api.core.v1.VolumeMount", {
  mountPath: required(3, string),
  mountPropagation: optional(5, string),
  name: required(1, string),
  readOnly: optional(2, boolean),
  recursiveReadOnly: optional(7, string),
  subPath: optional(4, string),
  subPathExpr: optional(6, string),
});
export type VolumeMount = Infer<typeof VolumeMount>;

export const Container = message("io.k8s.api.core.v1.Container", {
  args: optional(4, list(string), { listType: "atomic" }),
  command: optional(3, list(string), { listType: "atomic" }),
  env: optional(7, list(EnvVar), {
    patchMergeKey: "name",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["name"],
  }),
  envFrom: optional(19, list(EnvFromSource), { listType: "atomic" }),
  image: optional(2, string),
  imagePullPolicy: optional(14, string),
  lifecycle: optional(12, Lifecycle),
  livenessProbe: optional(10, Probe),
  name: required(1, string),
  ports: optional(6, list(ContainerPort), {
    patchMergeKey: "containerPort",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["containerPort", "protocol"],
  }),
  readinessProbe: optional(11, Probe),
  resizePolicy: optional(23, list(ContainerResizePolicy), { listType: "atomic" }),
  resources: optional(8, ResourceRequirements),
  restartPolicy: optional(24, string),
  restartPolicyRules: optional(25, list(ContainerRestartRule), { listType: "atomic" }),
  securityContext: optional(15, SecurityContext),
  startupProbe: optional(22, Probe),
  stdin: optional(16, boolean),
  stdinOnce: optional(17, boolean),
  terminationMessagePath: optional(13, string),
  terminationMessagePolicy: optional(20, string),
  tty: optional(18, boolean),
  volumeDevices: optional(21, list(VolumeDevice), {
    patchMergeKey: "devicePath",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["devicePath"],
  }),
  volumeMounts: optional(9, list(VolumeMount), {
    patchMergeKey: "mountPath",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["mountPath"],
  }),
  workingDir: optional(5, string),
});
export type Container = Infer<typeof Container>;

export const EphemeralContainer = message("io.k8s.api.core.v1.EphemeralContainer", {
  args: optional([1, 4], list(string), { listType: "atomic" }),
  command: optional([1, 3], list(string), { listType: "atomic" }),
  env: optional([1, 7], list(EnvVar), {
    patchMergeKey: "name",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["name"],
  }),
  envFrom: optional([1, 19], list(EnvFromSource), { listType: "atomic" }),
  image: optional([1, 2], string),
  imagePullPolicy: optional([1, 14], string),
  lifecycle: optional([1, 12], Lifecycle),
  livenessProbe: optional([1, 10], Probe),
  name: required([1, 1], string),
  ports: optional([1, 6], list(ContainerPort), {
    patchMergeKey: "containerPort",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["containerPort", "protocol"],
  }),
  readinessProbe: optional([1, 11], Probe),
  resizePolicy: optional([1, 23], list(ContainerResizePolicy), { listType: "atomic" }),
  resources: optional([1, 8], ResourceRequirements),
  restartPolicy: optional([1, 24], string),
  restartPolicyRules: optional([1, 25], list(ContainerRestartRule), { listType: "atomic" }),
  securityContext: optional([1, 15], SecurityContext),
  startupProbe: optional([1, 22], Probe),
  stdin: optional([1, 16], boolean),
  stdinOnce: optional([1, 17], boolean),
  targetContainerName: optional(2, string),
  terminationMessagePath: optional([1, 13], string),
  terminationMessagePolicy: optional([1, 20], string),
  tty: optional([1, 18], boolean),
  volumeDevices: optional([1, 21], list(VolumeDevice), {
    patchMergeKey: "devicePath",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["devicePath"],
  }),
  volumeMounts: optional([1, 9], list(VolumeMount), {
    patchMergeKey: "mountPath",
    patchStrategy: "merge",
    listType: "map",
    listMapKeys: ["mountPath"],
  }),
  workingDir: optional([1, 5], string),
});
export type EphemeralContainer = Infer<typeof EphemeralContainer>;

export const Sysctl = message("io.k8s.api.core.v1.Sysctl", {
  name: required(1, string),
  value: required(2, string),
});
export type Sysctl = Infer<typeof Sysctl>;

export const PodSecurityContext = message("io.k8s.api.core.v1.PodSecurityContext", {
  appArmorProfile: optional(11, AppArmorProfile),
  fsGroup: optional(5, int64),
  fsGroupChangePolicy: optional(9, string),
  runAsGroup: optional(6, int64),
  runAsNonRoot: optional(3, boolean),
  runAsUser: optional(2, int64),
  seLinuxChangePolicy: optional(13, string),
  seLinuxOptions: optional(1, SELinuxOptions),
  seccompProfile: optional(10, SeccompProfile),
  supplementalGroups: optional(4, list(int64), { listType: "atomic" }),
  supplementalGroupsPolicy: optional(12, string),
  sysctls: optional(7, list(Sysctl), { listType: "atomic" }),
  windowsOptions: optional(8, WindowsSecurityContextOptions),
});
export type PodSecurityContext = Infer<typeof PodSecurityContext>;

export const VolumeResourceRequirements = message("io.k8s.api.core.v1.VolumeResourceRequirements", {
  limits: optional(1, map(quantity)),
  requests: optional(2, map(quantity)),
});
export type VolumeResourceRequirements = Infer<typeof VolumeResourceRequirements>;
