/** What of the Engine's answers is read, checked; and the kubelet's view of it. */
import { z } from "zod";
import type { ObservedContainer, ObservedImage, ObservedSandbox } from "./container_runtime.ts";
import { labels, sandboxName } from "./docker_names.ts";

const stringMap = z
  .record(z.string(), z.string())
  .nullish()
  .transform((value) => value ?? {});

export const Version = z.object({
  Version: z.string(),
  ApiVersion: z.string(),
  Arch: z.string(),
});
export const Info = z.object({
  ServerVersion: z.string(),
  OperatingSystem: z.string(),
  KernelVersion: z.string(),
  LiveRestoreEnabled: z.boolean().default(false),
  CgroupDriver: z.string().default("cgroupfs"),
});
export const Created = z.object({ Id: z.string() });
export const Summaries = z.array(z.object({ Id: z.string(), State: z.string(), Labels: stringMap }));
export const Inspected = z.object({
  Id: z.string(),
  Created: z.string(),
  Image: z.string(),
  State: z.object({
    Status: z.string(),
    Pid: z.number(),
    ExitCode: z.number(),
    OOMKilled: z.boolean().default(false),
    Error: z.string().default(""),
    StartedAt: z.string(),
    FinishedAt: z.string(),
  }),
  Config: z.object({ Image: z.string(), Tty: z.boolean(), Labels: stringMap }),
  HostConfig: z.object({ PidMode: z.string().default(""), IpcMode: z.string().default("") }),
});
export type Inspected = z.infer<typeof Inspected>;

export const InspectedImage = z.object({
  Id: z.string(),
  RepoTags: z
    .array(z.string())
    .nullish()
    .transform((value) => value ?? []),
  RepoDigests: z
    .array(z.string())
    .nullish()
    .transform((value) => value ?? []),
  Size: z.number(),
  Config: z.object({ User: z.string().default("") }).nullish(),
  // Newer Engines name a digest for every image, and say here where it came from.
  Identity: z.object({ Pull: z.array(z.unknown()).nullish() }).nullish(),
});
export const ImageSummaries = z.array(InspectedImage.omit({ Config: true, Identity: true }));
export const InspectedExec = z.object({
  Running: z.boolean(),
  ExitCode: z.number().nullish(),
  Pid: z.number().nullish(),
});
export const EngineEvent = z.object({
  status: z.string().optional(),
  Action: z.string().optional(),
  Actor: z.object({ ID: z.string().optional(), Attributes: stringMap }).optional(),
});
export const Progress = z.object({
  error: z.string().optional(),
  errorDetail: z.object({ message: z.string() }).optional(),
});

function timeMs(text: string): number | undefined {
  return text.startsWith("0001-") ? undefined : Date.parse(text);
}

function stateOf(status: string): "created" | "running" | "exited" {
  if (status === "created") return "created";
  return status === "running" || status === "paused" || status === "restarting" ? "running" : "exited";
}

const podOf = (from: Readonly<Record<string, string>>) => ({
  namespace: from[labels.podNamespace] ?? "",
  name: from[labels.podName] ?? "",
  uid: from[labels.podUid] ?? "",
});

export function isSandbox(inspected: Inspected): boolean {
  return inspected.Config.Labels[labels.containerName] === sandboxName;
}

export function observedSandbox(inspected: Inspected): ObservedSandbox {
  const own = inspected.Config.Labels;
  const address = own[labels.podAddress];
  return {
    id: inspected.Id,
    pod: podOf(own),
    attempt: Number(own[labels.attempt] ?? 0),
    state: stateOf(inspected.State.Status),
    ...(inspected.State.Pid > 0 ? { pid: inspected.State.Pid } : {}),
    ...(address === undefined ? {} : { podAddress: address }),
    labels: own,
    createdAtMs: Date.parse(inspected.Created),
  };
}

export function observedContainer(inspected: Inspected): ObservedContainer {
  const { State: state } = inspected;
  const own = inspected.Config.Labels;
  const createdAtMs = Date.parse(inspected.Created);
  // A container that could not be started stays "created" with an exit code and a message: for the kubelet it has ended.
  const failedToStart = state.Status === "created" && state.Error !== "";
  const ended = failedToStart || stateOf(state.Status) === "exited";
  const startedAtMs = timeMs(state.StartedAt);
  // The end is told by containerd, the start noted by Docker after it has answered: a short life can seem to end before it began.
  const endMs = timeMs(state.FinishedAt) ?? startedAtMs ?? createdAtMs;
  const finishedAtMs = ended ? Math.max(endMs, startedAtMs ?? endMs) : undefined;
  return {
    id: inspected.Id,
    sandboxId: own[labels.sandbox] ?? "",
    pod: podOf(own),
    name: own[labels.containerName] ?? "",
    attempt: Number(own[labels.attempt] ?? 0),
    state: ended ? "exited" : stateOf(state.Status),
    image: own[labels.image] ?? inspected.Config.Image,
    imageId: inspected.Image,
    ...(ended ? { exitCode: state.ExitCode, oomKilled: state.OOMKilled } : {}),
    ...(state.Error === "" ? {} : { error: state.Error }),
    createdAtMs,
    ...(startedAtMs === undefined ? {} : { startedAtMs }),
    ...(finishedAtMs === undefined ? {} : { finishedAtMs }),
    labels: own,
  };
}

export function observedImage(inspected: z.infer<typeof InspectedImage>): ObservedImage {
  const pulled = inspected.Identity?.Pull;
  return {
    id: inspected.Id,
    tags: inspected.RepoTags,
    sizeBytes: inspected.Size,
    hasRegistryDigest: inspected.Identity ? (pulled ?? []).length > 0 : inspected.RepoDigests.length > 0,
    user: inspected.Config?.User ?? "",
  };
}
