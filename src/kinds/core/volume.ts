import { LabelSelector, ObjectMeta } from "../meta.ts";
import {
  boolean,
  type Infer,
  int32,
  int64,
  list,
  map,
  message,
  optional,
  quantity,
  required,
  string,
} from "../schema.ts";
import { VolumeResourceRequirements } from "./container.ts";
import {
  LocalObjectReference,
  ObjectFieldSelector,
  ResourceFieldSelector,
  TypedLocalObjectReference,
  TypedObjectReference,
} from "./reference.ts";

export const AWSElasticBlockStoreVolumeSource = message("io.k8s.api.core.v1.AWSElasticBlockStoreVolumeSource", {
  fsType: optional(2, string),
  partition: optional(3, int32),
  readOnly: optional(4, boolean),
  volumeID: required(1, string),
});
export type AWSElasticBlockStoreVolumeSource = Infer<typeof AWSElasticBlockStoreVolumeSource>;

export const AzureDiskVolumeSource = message("io.k8s.api.core.v1.AzureDiskVolumeSource", {
  cachingMode: optional(3, string),
  diskName: required(1, string),
  diskURI: required(2, string),
  fsType: optional(4, string),
  kind: optional(6, string),
  readOnly: optional(5, boolean),
});
export type AzureDiskVolumeSource = Infer<typeof AzureDiskVolumeSource>;

export const AzureFileVolumeSource = message("io.k8s.api.core.v1.AzureFileVolumeSource", {
  readOnly: optional(3, boolean),
  secretName: required(1, string),
  shareName: required(2, string),
});
export type AzureFileVolumeSource = Infer<typeof AzureFileVolumeSource>;

export const CSIVolumeSource = message("io.k8s.api.core.v1.CSIVolumeSource", {
  driver: required(1, string),
  fsType: optional(3, string),
  nodePublishSecretRef: optional(5, LocalObjectReference),
  readOnly: optional(2, boolean),
  volumeAttributes: optional(4, map(string)),
});
export type CSIVolumeSource = Infer<typeof CSIVolumeSource>;

export const CephFSVolumeSource = message("io.k8s.api.core.v1.CephFSVolumeSource", {
  monitors: required(1, list(string), { listType: "atomic" }),
  path: optional(2, string),
  readOnly: optional(6, boolean),
  secretFile: optional(4, string),
  secretRef: optional(5, LocalObjectReference),
  user: optional(3, string),
});
export type CephFSVolumeSource = Infer<typeof CephFSVolumeSource>;

export const CinderVolumeSource = message("io.k8s.api.core.v1.CinderVolumeSource", {
  fsType: optional(2, string),
  readOnly: optional(3, boolean),
  secretRef: optional(4, LocalObjectReference),
  volumeID: required(1, string),
});
export type CinderVolumeSource = Infer<typeof CinderVolumeSource>;

export const ClusterTrustBundleProjection = message("io.k8s.api.core.v1.ClusterTrustBundleProjection", {
  labelSelector: optional(3, LabelSelector),
  name: optional(1, string),
  optional: optional(5, boolean),
  path: required(4, string),
  signerName: optional(2, string),
});
export type ClusterTrustBundleProjection = Infer<typeof ClusterTrustBundleProjection>;

export const KeyToPath = message("io.k8s.api.core.v1.KeyToPath", {
  key: required(1, string),
  mode: optional(3, int32),
  path: required(2, string),
});
export type KeyToPath = Infer<typeof KeyToPath>;

export const ConfigMapProjection = message("io.k8s.api.core.v1.ConfigMapProjection", {
  items: optional(2, list(KeyToPath), { listType: "atomic" }),
  name: optional([1, 1], string),
  optional: optional(4, boolean),
});
export type ConfigMapProjection = Infer<typeof ConfigMapProjection>;

export const ConfigMapVolumeSource = message("io.k8s.api.core.v1.ConfigMapVolumeSource", {
  defaultMode: optional(3, int32),
  items: optional(2, list(KeyToPath), { listType: "atomic" }),
  name: optional([1, 1], string),
  optional: optional(4, boolean),
});
export type ConfigMapVolumeSource = Infer<typeof ConfigMapVolumeSource>;

export const DownwardAPIVolumeFile = message("io.k8s.api.core.v1.DownwardAPIVolumeFile", {
  fieldRef: optional(2, ObjectFieldSelector),
  mode: optional(4, int32),
  path: required(1, string),
  resourceFieldRef: optional(3, ResourceFieldSelector),
});
export type DownwardAPIVolumeFile = Infer<typeof DownwardAPIVolumeFile>;

export const DownwardAPIProjection = message("io.k8s.api.core.v1.DownwardAPIProjection", {
  items: optional(1, list(DownwardAPIVolumeFile), { listType: "atomic" }),
});
export type DownwardAPIProjection = Infer<typeof DownwardAPIProjection>;

export const DownwardAPIVolumeSource = message("io.k8s.api.core.v1.DownwardAPIVolumeSource", {
  defaultMode: optional(2, int32),
  items: optional(1, list(DownwardAPIVolumeFile), { listType: "atomic" }),
});
export type DownwardAPIVolumeSource = Infer<typeof DownwardAPIVolumeSource>;

export const EmptyDirVolumeSource = message("io.k8s.api.core.v1.EmptyDirVolumeSource", {
  medium: optional(1, string),
  sizeLimit: optional(2, quantity),
});
export type EmptyDirVolumeSource = Infer<typeof EmptyDirVolumeSource>;

export const PersistentVolumeClaimSpec = message("io.k8s.api.core.v1.PersistentVolumeClaimSpec", {
  accessModes: optional(1, list(string), { listType: "atomic" }),
  dataSource: optional(7, TypedLocalObjectReference),
  dataSourceRef: optional(8, TypedObjectReference),
  resources: optional(2, VolumeResourceRequirements),
  selector: optional(4, LabelSelector),
  storageClassName: optional(5, string),
  volumeAttributesClassName: optional(9, string),
  volumeMode: optional(6, string),
  volumeName: optional(3, string),
});
export type PersistentVolumeClaimSpec = Infer<typeof PersistentVolumeClaimSpec>;

export const PersistentVolumeClaimTemplate = message("io.k8s.api.core.v1.PersistentVolumeClaimTemplate", {
  metadata: optional(1, ObjectMeta),
  spec: required(2, PersistentVolumeClaimSpec),
});
export type PersistentVolumeClaimTemplate = Infer<typeof PersistentVolumeClaimTemplate>;

export const EphemeralVolumeSource = message("io.k8s.api.core.v1.EphemeralVolumeSource", {
  volumeClaimTemplate: optional(1, PersistentVolumeClaimTemplate),
});
export type EphemeralVolumeSource = Infer<typeof EphemeralVolumeSource>;

export const FCVolumeSource = message("io.k8s.api.core.v1.FCVolumeSource", {
  fsType: optional(3, string),
  lun: optional(2, int32),
  readOnly: optional(4, boolean),
  targetWWNs: optional(1, list(string), { listType: "atomic" }),
  wwids: optional(5, list(string), { listType: "atomic" }),
});
export type FCVolumeSource = Infer<typeof FCVolumeSource>;

export const FlexVolumeSource = message("io.k8s.api.core.v1.FlexVolumeSource", {
  driver: required(1, string),
  fsType: optional(2, string),
  options: optional(5, map(string)),
  readOnly: optional(4, boolean),
  secretRef: optional(3, LocalObjectReference),
});
export type FlexVolumeSource = Infer<typeof FlexVolumeSource>;

export const FlockerVolumeSource = message("io.k8s.api.core.v1.FlockerVolumeSource", {
  datasetName: optional(1, string),
  datasetUUID: optional(2, string),
});
export type FlockerVolumeSource = Infer<typeof FlockerVolumeSource>;

export const GCEPersistentDiskVolumeSource = message("io.k8s.api.core.v1.GCEPersistentDiskVolumeSource", {
  fsType: optional(2, string),
  partition: optional(3, int32),
  pdName: required(1, string),
  readOnly: optional(4, boolean),
});
export type GCEPersistentDiskVolumeSource = Infer<typeof GCEPersistentDiskVolumeSource>;

export const GitRepoVolumeSource = message("io.k8s.api.core.v1.GitRepoVolumeSource", {
  directory: optional(3, string),
  repository: required(1, string),
  revision: optional(2, string),
});
export type GitRepoVolumeSource = Infer<typeof GitRepoVolumeSource>;

export const GlusterfsVolumeSource = message("io.k8s.api.core.v1.GlusterfsVolumeSource", {
  endpoints: required(1, string),
  path: required(2, string),
  readOnly: optional(3, boolean),
});
export type GlusterfsVolumeSource = Infer<typeof GlusterfsVolumeSource>;

export const HostPathVolumeSource = message("io.k8s.api.core.v1.HostPathVolumeSource", {
  path: required(1, string),
  type: optional(2, string),
});
export type HostPathVolumeSource = Infer<typeof HostPathVolumeSource>;

export const ISCSIVolumeSource = message("io.k8s.api.core.v1.ISCSIVolumeSource", {
  chapAuthDiscovery: optional(8, boolean),
  chapAuthSession: optional(11, boolean),
  fsType: optional(5, string),
  initiatorName: optional(12, string),
  iqn: required(2, string),
  iscsiInterface: optional(4, string),
  lun: required(3, int32),
  portals: optional(7, list(string), { listType: "atomic" }),
  readOnly: optional(6, boolean),
  secretRef: optional(10, LocalObjectReference),
  targetPortal: required(1, string),
});
export type ISCSIVolumeSource = Infer<typeof ISCSIVolumeSource>;

export const ImageVolumeSource = message("io.k8s.api.core.v1.ImageVolumeSource", {
  pullPolicy: optional(2, string),
  reference: optional(1, string),
});
export type ImageVolumeSource = Infer<typeof ImageVolumeSource>;

export const NFSVolumeSource = message("io.k8s.api.core.v1.NFSVolumeSource", {
  path: required(2, string),
  readOnly: optional(3, boolean),
  server: required(1, string),
});
export type NFSVolumeSource = Infer<typeof NFSVolumeSource>;

export const PersistentVolumeClaimVolumeSource = message("io.k8s.api.core.v1.PersistentVolumeClaimVolumeSource", {
  claimName: required(1, string),
  readOnly: optional(2, boolean),
});
export type PersistentVolumeClaimVolumeSource = Infer<typeof PersistentVolumeClaimVolumeSource>;

export const PhotonPersistentDiskVolumeSource = message("io.k8s.api.core.v1.PhotonPersistentDiskVolumeSource", {
  fsType: optional(2, string),
  pdID: required(1, string),
});
export type PhotonPersistentDiskVolumeSource = Infer<typeof PhotonPersistentDiskVolumeSource>;

export const PodCertificateProjection = message("io.k8s.api.core.v1.PodCertificateProjection", {
  certificateChainPath: optional(6, string),
  credentialBundlePath: optional(4, string),
  keyPath: optional(5, string),
  keyType: required(2, string),
  maxExpirationSeconds: optional(3, int32),
  signerName: required(1, string),
  userAnnotations: optional(7, map(string)),
});
export type PodCertificateProjection = Infer<typeof PodCertificateProjection>;

export const PortworxVolumeSource = message("io.k8s.api.core.v1.PortworxVolumeSource", {
  fsType: optional(2, string),
  readOnly: optional(3, boolean),
  volumeID: required(1, string),
});
export type PortworxVolumeSource = Infer<typeof PortworxVolumeSource>;

export const SecretProjection = message("io.k8s.api.core.v1.SecretProjection", {
  items: optional(2, list(KeyToPath), { listType: "atomic" }),
  name: optional([1, 1], string),
  optional: optional(4, boolean),
});
export type SecretProjection = Infer<typeof SecretProjection>;

export const ServiceAccountTokenProjection = message("io.k8s.api.core.v1.ServiceAccountTokenProjection", {
  audience: optional(1, string),
  expirationSeconds: optional(2, int64),
  path: required(3, string),
});
export type ServiceAccountTokenProjection = Infer<typeof ServiceAccountTokenProjection>;

export const VolumeProjection = message("io.k8s.api.core.v1.VolumeProjection", {
  clusterTrustBundle: optional(5, ClusterTrustBundleProjection),
  configMap: optional(3, ConfigMapProjection),
  downwardAPI: optional(2, DownwardAPIProjection),
  podCertificate: optional(6, PodCertificateProjection),
  secret: optional(1, SecretProjection),
  serviceAccountToken: optional(4, ServiceAccountTokenProjection),
});
export type VolumeProjection = Infer<typeof VolumeProjection>;

export const ProjectedVolumeSource = message("io.k8s.api.core.v1.ProjectedVolumeSource", {
  defaultMode: optional(2, int32),
  sources: optional(1, list(VolumeProjection), { listType: "atomic" }),
});
export type ProjectedVolumeSource = Infer<typeof ProjectedVolumeSource>;

export const QuobyteVolumeSource = message("io.k8s.api.core.v1.QuobyteVolumeSource", {
  group: optional(5, string),
  readOnly: optional(3, boolean),
  registry: required(1, string),
  tenant: optional(6, string),
  user: optional(4, string),
  volume: required(2, string),
});
export type QuobyteVolumeSource = Infer<typeof QuobyteVolumeSource>;

export const RBDVolumeSource = message("io.k8s.api.core.v1.RBDVolumeSource", {
  fsType: optional(3, string),
  image: required(2, string),
  keyring: optional(6, string),
  monitors: required(1, list(string), { listType: "atomic" }),
  pool: optional(4, string),
  readOnly: optional(8, boolean),
  secretRef: optional(7, LocalObjectReference),
  user: optional(5, string),
});
export type RBDVolumeSource = Infer<typeof RBDVolumeSource>;

export const ScaleIOVolumeSource = message("io.k8s.api.core.v1.ScaleIOVolumeSource", {
  fsType: optional(9, string),
  gateway: required(1, string),
  protectionDomain: optional(5, string),
  readOnly: optional(10, boolean),
  secretRef: required(3, LocalObjectReference),
  sslEnabled: optional(4, boolean),
  storageMode: optional(7, string),
  storagePool: optional(6, string),
  system: required(2, string),
  volumeName: optional(8, string),
});
export type ScaleIOVolumeSource = Infer<typeof ScaleIOVolumeSource>;

export const SecretVolumeSource = message("io.k8s.api.core.v1.SecretVolumeSource", {
  defaultMode: optional(3, int32),
  items: optional(2, list(KeyToPath), { listType: "atomic" }),
  optional: optional(4, boolean),
  secretName: optional(1, string),
});
export type SecretVolumeSource = Infer<typeof SecretVolumeSource>;

export const StorageOSVolumeSource = message("io.k8s.api.core.v1.StorageOSVolumeSource", {
  fsType: optional(3, string),
  readOnly: optional(4, boolean),
  secretRef: optional(5, LocalObjectReference),
  volumeName: optional(1, string),
  volumeNamespace: optional(2, string),
});
export type StorageOSVolumeSource = Infer<typeof StorageOSVolumeSource>;

export const VsphereVirtualDiskVolumeSource = message("io.k8s.api.core.v1.VsphereVirtualDiskVolumeSource", {
  fsType: optional(2, string),
  storagePolicyID: optional(4, string),
  storagePolicyName: optional(3, string),
  volumePath: required(1, string),
});
export type VsphereVirtualDiskVolumeSource = Infer<typeof VsphereVirtualDiskVolumeSource>;

export const Volume = message("io.k8s.api.core.v1.Volume", {
  awsElasticBlockStore: optional([2, 4], AWSElasticBlockStoreVolumeSource),
  azureDisk: optional([2, 22], AzureDiskVolumeSource),
  azureFile: optional([2, 18], AzureFileVolumeSource),
  cephfs: optional([2, 14], CephFSVolumeSource),
  cinder: optional([2, 13], CinderVolumeSource),
  configMap: optional([2, 19], ConfigMapVolumeSource),
  csi: optional([2, 28], CSIVolumeSource),
  downwardAPI: optional([2, 16], DownwardAPIVolumeSource),
  emptyDir: optional([2, 2], EmptyDirVolumeSource),
  ephemeral: optional([2, 29], EphemeralVolumeSource),
  fc: optional([2, 17], FCVolumeSource),
  flexVolume: optional([2, 12], FlexVolumeSource),
  flocker: optional([2, 15], FlockerVolumeSource),
  gcePersistentDisk: optional([2, 3], GCEPersistentDiskVolumeSource),
  gitRepo: optional([2, 5], GitRepoVolumeSource),
  glusterfs: optional([2, 9], GlusterfsVolumeSource),
  hostPath: optional([2, 1], HostPathVolumeSource),
  image: optional([2, 30], ImageVolumeSource),
  iscsi: optional([2, 8], ISCSIVolumeSource),
  name: required(1, string),
  nfs: optional([2, 7], NFSVolumeSource),
  persistentVolumeClaim: optional([2, 10], PersistentVolumeClaimVolumeSource),
  photonPersistentDisk: optional([2, 23], PhotonPersistentDiskVolumeSource),
  portworxVolume: optional([2, 24], PortworxVolumeSource),
  projected: optional([2, 26], ProjectedVolumeSource),
  quobyte: optional([2, 21], QuobyteVolumeSource),
  rbd: optional([2, 11], RBDVolumeSource),
  scaleIO: optional([2, 25], ScaleIOVolumeSource),
  secret: optional([2, 6], SecretVolumeSource),
  storageos: optional([2, 27], StorageOSVolumeSource),
  vsphereVolume: optional([2, 20], VsphereVirtualDiskVolumeSource),
});
export type Volume = Infer<typeof Volume>;
