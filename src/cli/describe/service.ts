import { serviceKind } from "../../kinds/core/service.ts";
import { endpointSliceKind } from "../../kinds/discovery/endpoint_slice.ts";
import { selectorString } from "../../kinds/label_selector.ts";
import { readList, readObject } from "../object.ts";
import { eventLines } from "./events.ts";
import { annotationLines, pairLines } from "./lines.ts";
import type { Subject } from "./subject.ts";

/** So many addresses are shown; the rest is counted. */
const shownEndpoints = 3;

export async function describeService({ api, namespace, name, nowMs }: Subject): Promise<string[]> {
  const { metadata, spec } = await readObject(api, serviceKind, namespace, name);
  const slices = await readList(api, endpointSliceKind, namespace, {
    labelSelector: `kubernetes.io/service-name=${name}`,
  });
  const endpoints = (portName: string): string => {
    const addresses = slices.flatMap(({ endpoints: list, ports }) =>
      (ports ?? [])
        .filter((port) => (port.name ?? "") === portName)
        .flatMap((port) =>
          (list ?? [])
            .filter(({ conditions }) => conditions?.ready !== false)
            .flatMap((endpoint) => endpoint.addresses.map((address) => `${address}:${port.port}`)),
        ),
    );
    const more = addresses.length > shownEndpoints ? ` + ${addresses.length - shownEndpoints} more...` : "";
    return addresses.slice(0, shownEndpoints).join(",") + more;
  };
  const selector = selectorString({ matchLabels: { ...spec.selector } });
  const lines = [
    `Name:\t${metadata.name}`,
    `Namespace:\t${metadata.namespace ?? ""}`,
    ...pairLines("Labels", metadata.labels),
    ...annotationLines(metadata),
    `Selector:\t${selector || "<none>"}`,
    `Type:\t${spec.type ?? ""}`,
    ...(spec.ipFamilyPolicy ? [`IP Family Policy:\t${spec.ipFamilyPolicy}`] : []),
    `IP Families:\t${spec.ipFamilies?.join(",") || "<none>"}`,
    `IP:\t${spec.clusterIP ?? ""}`,
    `IPs:\t${spec.clusterIPs?.join(",") || "<none>"}`,
    ...((spec.externalIPs?.length ?? 0) > 0 ? [`External IPs:\t${spec.externalIPs?.join(",")}`] : []),
    ...(spec.externalName ? [`External Name:\t${spec.externalName}`] : []),
  ];
  for (const port of spec.ports ?? []) {
    const title = port.name || "<unset>";
    const protocol = port.protocol ?? "TCP";
    lines.push(`Port:\t${title}\t${port.port}/${protocol}`);
    lines.push(`TargetPort:\t${port.targetPort ?? port.port}/${protocol}`);
    if (port.nodePort) lines.push(`NodePort:\t${title}\t${port.nodePort}/${protocol}`);
    lines.push(`Endpoints:\t${endpoints(port.name ?? "")}`);
  }
  lines.push(`Session Affinity:\t${spec.sessionAffinity ?? ""}`);
  if (spec.externalTrafficPolicy) lines.push(`External Traffic Policy:\t${spec.externalTrafficPolicy}`);
  if (spec.internalTrafficPolicy) lines.push(`Internal Traffic Policy:\t${spec.internalTrafficPolicy}`);
  const about = { kind: "Service", namespace: metadata.namespace, name, uids: [metadata.uid] };
  return [...lines, ...(await eventLines(api, about, nowMs))];
}
