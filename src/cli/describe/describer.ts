import type { AnyKind } from "../../kinds/kind.ts";
import type { Describer } from "./subject.ts";

/** Each kind's own describer is loaded when it is asked for; the others get the generic one. */
export async function describerOf(kind: AnyKind): Promise<Describer> {
  switch (`${kind.group}/${kind.kind}`) {
    case "/Pod":
      return (await import("./pod.ts")).describePod;
    case "/Node":
      return (await import("./node.ts")).describeNode;
    case "/Service":
      return (await import("./service.ts")).describeService;
    case "/Namespace":
      return (await import("./namespace.ts")).describeNamespace;
    case "/ConfigMap":
      return (await import("./config_map.ts")).describeConfigMap;
    case "/Secret":
      return (await import("./secret.ts")).describeSecret;
    case "/ServiceAccount":
      return (await import("./service_account.ts")).describeServiceAccount;
    case "/Endpoints":
      return (await import("./endpoints.ts")).describeEndpoints;
    case "discovery.k8s.io/EndpointSlice":
      return (await import("./endpoints.ts")).describeEndpointSlice;
    case "apps/Deployment":
      return (await import("./deployment.ts")).describeDeployment;
    case "apps/ReplicaSet":
      return (await import("./replica_set.ts")).describeReplicaSet;
    default:
      return (await import("./generic.ts")).describeGeneric;
  }
}
