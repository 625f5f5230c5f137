import type { Field, Message, Type } from "./schema.ts";

/**
 * What Kubernetes' messages call a field's type: they show the names of Go types, and users search the web for them.
 * Strings that have a type of their own in Go are listed; everything else follows from the descriptor.
 */
const named: Readonly<Record<string, string>> = {
  "ObjectMeta.uid": "types.UID",
  "OwnerReference.uid": "types.UID",
  "ObjectReference.uid": "types.UID",
  "LabelSelectorRequirement.operator": "v1.LabelSelectorOperator",
  "ManagedFieldsEntry.operation": "v1.ManagedFieldsOperationType",
  "Condition.status": "v1.ConditionStatus",
  "PodSpec.restartPolicy": "v1.RestartPolicy",
  "PodSpec.dnsPolicy": "v1.DNSPolicy",
  "PodSpec.preemptionPolicy": "v1.PreemptionPolicy",
  "PodSpec.nodeSelector": "map[string]string",
  "PodSpec.overhead": "v1.ResourceList",
  "PodStatus.phase": "v1.PodPhase",
  "PodStatus.qosClass": "v1.PodQOSClass",
  "Container.imagePullPolicy": "v1.PullPolicy",
  "Container.restartPolicy": "v1.ContainerRestartPolicy",
  "Container.terminationMessagePolicy": "v1.TerminationMessagePolicy",
  "EphemeralContainer.imagePullPolicy": "v1.PullPolicy",
  "EphemeralContainer.restartPolicy": "v1.ContainerRestartPolicy",
  "EphemeralContainer.terminationMessagePolicy": "v1.TerminationMessagePolicy",
  "ContainerPort.protocol": "v1.Protocol",
  "ResourceRequirements.limits": "v1.ResourceList",
  "ResourceRequirements.requests": "v1.ResourceList",
  "HTTPGetAction.scheme": "v1.URIScheme",
  "Toleration.effect": "v1.TaintEffect",
  "Toleration.operator": "v1.TolerationOperator",
  "Taint.effect": "v1.TaintEffect",
  "NodeSelectorRequirement.operator": "v1.NodeSelectorOperator",
  "EmptyDirVolumeSource.medium": "v1.StorageMedium",
  "HostPathVolumeSource.type": "v1.HostPathType",
  "ServiceSpec.type": "v1.ServiceType",
  "ServiceSpec.sessionAffinity": "v1.ServiceAffinity",
  "ServiceSpec.externalTrafficPolicy": "v1.ServiceExternalTrafficPolicy",
  "ServiceSpec.internalTrafficPolicy": "v1.ServiceInternalTrafficPolicy",
  "ServiceSpec.ipFamilyPolicy": "v1.IPFamilyPolicy",
  "ServicePort.protocol": "v1.Protocol",
  "EndpointPort.protocol": "v1.Protocol",
  "EndpointSlice.addressType": "v1.AddressType",
  "NamespaceStatus.phase": "v1.NamespacePhase",
  "NodeStatus.capacity": "v1.ResourceList",
  "NodeStatus.allocatable": "v1.ResourceList",
  "Secret.type": "v1.SecretType",
  "DeploymentStrategy.type": "v1.DeploymentStrategyType",
};

const scalars: Readonly<Record<string, string>> = {
  string: "string",
  int32: "int32",
  int64: "int64",
  double: "float64",
  boolean: "bool",
  bytes: "[]uint8",
  quantity: "resource.Quantity",
  intOrString: "int32",
  time: "string",
  microTime: "string",
  duration: "string",
  fieldsV1: "v1.FieldsV1",
  any: "runtime.RawExtension",
};

/** "Container" of "io.k8s.api.core.v1.Container". */
export function shortName(message: Message): string {
  return message.name.slice(message.name.lastIndexOf(".") + 1);
}

export function goType(type: Type): string {
  switch (type.type) {
    case "message":
      return `v1.${shortName(type)}`;
    case "list":
      return `[]${goType(type.item)}`;
    case "map":
      return `map[string]${goType(type.value)}`;
    default:
      return scalars[type.type] ?? type.type;
  }
}

export function goFieldType(owner: Message, name: string, type: Type): string {
  return named[`${shortName(owner)}.${name}`] ?? goType(type);
}

/**
 * Required in the definitions, and yet a pointer in Go: its absence is an answer of its own ("Required value"), which an
 * empty object is not.
 */
const pointers: ReadonlySet<string> = new Set([
  "DeploymentSpec.selector",
  "ReplicaSetSpec.selector",
  "ScaleIOVolumeSource.secretRef",
]);

/** The zero value that Go gives an absent required field; undefined where it gives none. */
export function zeroValue(owner: Message, name: string, field: Field, type: Type): (() => unknown) | undefined {
  if (!field.required || pointers.has(`${shortName(owner)}.${name}`)) return undefined;
  switch (type.type) {
    case "message":
    case "map":
      return () => ({});
    case "list":
      return () => [];
    case "int32":
    case "int64":
    case "double":
    case "intOrString":
      return () => 0;
    case "boolean":
      return () => false;
    case "string":
    case "bytes":
      return () => "";
    case "quantity":
      return () => "0";
    default:
      return undefined;
  }
}
