import { defaultPullPolicy } from "./image.ts";
import type { Volume } from "./volume.ts";

/** 0644 */
const fileMode = 420;

export function defaultVolume(volume: Volume): void {
  // A volume of no kind at all is a scratch directory.
  if (Object.keys(volume).every((field) => field === "name")) volume.emptyDir = {};
  if (volume.hostPath !== undefined) volume.hostPath.type ??= "";
  if (volume.secret !== undefined) volume.secret.defaultMode ??= fileMode;
  if (volume.configMap !== undefined) volume.configMap.defaultMode ??= fileMode;
  if (volume.downwardAPI !== undefined) {
    volume.downwardAPI.defaultMode ??= fileMode;
    defaultFiles(volume.downwardAPI.items);
  }
  if (volume.projected !== undefined) {
    volume.projected.defaultMode ??= fileMode;
    for (const { downwardAPI, serviceAccountToken } of volume.projected.sources ?? []) {
      if (downwardAPI !== undefined) defaultFiles(downwardAPI.items);
      if (serviceAccountToken !== undefined) serviceAccountToken.expirationSeconds ??= 3600;
    }
  }
  if (volume.ephemeral?.volumeClaimTemplate !== undefined)
    volume.ephemeral.volumeClaimTemplate.spec.volumeMode ??= "Filesystem";
  if (volume.image !== undefined) volume.image.pullPolicy ||= defaultPullPolicy(volume.image.reference ?? "");
  if (volume.iscsi !== undefined) volume.iscsi.iscsiInterface ||= "default";
  if (volume.rbd !== undefined) {
    volume.rbd.pool ||= "rbd";
    volume.rbd.user ||= "admin";
    volume.rbd.keyring ||= "/etc/ceph/keyring";
  }
  if (volume.scaleIO !== undefined) {
    volume.scaleIO.storageMode ||= "ThinProvisioned";
    volume.scaleIO.fsType ||= "xfs";
  }
  if (volume.azureDisk !== undefined) {
    volume.azureDisk.cachingMode ||= "ReadWrite";
    volume.azureDisk.kind ||= "Shared";
    volume.azureDisk.fsType ||= "ext4";
    volume.azureDisk.readOnly ??= false;
  }
}

type Files = NonNullable<Volume["downwardAPI"]>["items"];

function defaultFiles(items: Files): void {
  for (const { fieldRef, resourceFieldRef } of items ?? []) {
    if (fieldRef !== undefined) fieldRef.apiVersion ||= "v1";
    if (resourceFieldRef !== undefined) resourceFieldRef.divisor ??= "0";
  }
}
