import type { Client } from "../client/client.ts";
import type { AnyObserved } from "../client/object.ts";
import type { Kind, KubeObject } from "../kinds/kind.ts";
import { matchesLabels, requirementsOf } from "../kinds/label_selector.ts";
import type { LabelSelector, OwnerReference } from "../kinds/meta.ts";
import type { DeepReadonly } from "../kinds/schema.ts";

/** The one owner that manages the object. */
export function controllerOf(object: AnyObserved): DeepReadonly<OwnerReference> | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** For an informer's index: the uid of the managing owner. */
export const byControllerUid = "controllerUid";
export function controllerUids(object: AnyObserved): string[] {
  const owner = controllerOf(object);
  return owner === undefined ? [] : [owner.uid];
}

export function controllerReference(owner: AnyObserved): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

export interface Claims<T> {
  /** Managed by the owner, and matching its selector. */
  readonly owned: readonly T[];
  /** Match, and nobody manages them. */
  readonly adopt: readonly T[];
  /** Managed by the owner, and no longer matching. */
  readonly release: readonly T[];
}

/** Who belongs to `owner` by its selector and the controller references. What is being deleted is neither adopted nor released. */
export function claim<T extends AnyObserved>(
  owner: AnyObserved,
  selector: DeepReadonly<LabelSelector> | undefined,
  candidates: readonly T[],
): Claims<T> {
  const owned: T[] = [];
  const adopt: T[] = [];
  const release: T[] = [];
  const requirements = requirementsOf(selector);
  for (const object of candidates) {
    const controller = controllerOf(object);
    const matches = requirements !== undefined && matchesLabels(requirements, object.metadata.labels);
    const deleting = object.metadata.deletionTimestamp !== undefined;
    if (controller !== undefined) {
      if (controller.uid !== owner.metadata.uid) continue;
      if (matches) owned.push(object);
      else if (!deleting && owner.metadata.deletionTimestamp === undefined) release.push(object);
    } else if (matches && !deleting && owner.metadata.deletionTimestamp === undefined) adopt.push(object);
  }
  return { owned, adopt, release };
}

/** Carries claims out. The owner is read again before the first adoption, since an old cache may hide its deletion. */
export async function enforceClaims<Owner extends KubeObject, T extends KubeObject>(
  client: Client,
  ownerKind: Kind<Owner>,
  owner: AnyObserved,
  kind: Kind<T>,
  claims: Claims<AnyObserved>,
): Promise<void> {
  if (claims.adopt.length > 0) {
    // Sound: whatever the kind, it has metadata.
    const fresh = (await client.get(ownerKind, owner.metadata)) as AnyObserved;
    if (fresh.metadata.uid !== owner.metadata.uid || fresh.metadata.deletionTimestamp !== undefined) return;
  }
  for (const object of claims.adopt)
    await setOwners(client, kind, object, [...(object.metadata.ownerReferences ?? []), controllerReference(owner)]);
  for (const object of claims.release)
    await setOwners(
      client,
      kind,
      object,
      (object.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== owner.metadata.uid),
    );
}

/** Replaces the owner references; 409 when the object has changed meanwhile. */
export async function setOwners<T extends KubeObject>(
  client: Client,
  kind: Kind<T>,
  object: AnyObserved,
  ownerReferences: readonly DeepReadonly<OwnerReference>[],
): Promise<void> {
  const { uid, resourceVersion } = object.metadata;
  await client.patch(kind, object.metadata, "application/merge-patch+json", {
    metadata: { uid, resourceVersion, ownerReferences: ownerReferences.length > 0 ? ownerReferences : null },
  });
}
