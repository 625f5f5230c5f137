import { serviceAccountKind } from "../../kinds/core/service_account.ts";
import { readObject } from "../object.ts";
import { eventLines } from "./events.ts";
import { annotationLines, pairLines } from "./lines.ts";
import type { Subject } from "./subject.ts";

export async function describeServiceAccount({ api, namespace, name, nowMs }: Subject): Promise<string[]> {
  const { metadata, imagePullSecrets, secrets } = await readObject(api, serviceAccountKind, namespace, name);
  const names = (list: readonly { readonly name?: string | undefined }[] | undefined, title: string) =>
    (list ?? []).map((reference, at) => `${at === 0 ? `${title}:` : ""}\t${reference.name ?? ""}`);
  return [
    `Name:\t${metadata.name}`,
    `Namespace:\t${metadata.namespace ?? ""}`,
    ...pairLines("Labels", metadata.labels),
    ...annotationLines(metadata),
    ...(imagePullSecrets?.length ? names(imagePullSecrets, "Image pull secrets") : ["Image pull secrets:\t<none>"]),
    ...names(secrets, "Mountable secrets"),
    ...(await eventLines(api, { kind: "ServiceAccount", namespace, name, uids: [metadata.uid] }, nowMs)),
  ];
}
