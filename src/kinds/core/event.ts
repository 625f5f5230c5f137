import { ageColumn, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { ObjectMeta } from "../meta.ts";
import { type Infer, int32, message, microTime, optional, required, string, time } from "../schema.ts";
import { ObjectReference } from "./reference.ts";

export const EventSeries = message("io.k8s.api.core.v1.EventSeries", {
  count: optional(1, int32),
  lastObservedTime: optional(2, microTime),
});
export type EventSeries = Infer<typeof EventSeries>;

export const EventSource = message("io.k8s.api.core.v1.EventSource", {
  component: optional(1, string),
  host: optional(2, string),
});
export type EventSource = Infer<typeof EventSource>;

export const Event = message("io.k8s.api.core.v1.Event", {
  action: optional(12, string),
  apiVersion: optional([], string),
  count: optional(8, int32),
  eventTime: optional(10, microTime),
  firstTimestamp: optional(6, time),
  involvedObject: required(2, ObjectReference),
  kind: optional([], string),
  lastTimestamp: optional(7, time),
  message: optional(4, string),
  metadata: required(1, ObjectMeta),
  reason: optional(3, string),
  related: optional(13, ObjectReference),
  reportingComponent: optional(14, string),
  reportingInstance: optional(15, string),
  series: optional(11, EventSeries),
  source: optional(5, EventSource),
  type: optional(9, string),
});
export type Event = Infer<typeof Event>;

export const eventKind = defineKind<typeof Event>({
  group: "",
  version: "v1",
  kind: "Event",
  plural: "events",
  singular: "event",
  shortNames: ["ev"],
  namespaced: true,
  schema: Event,
  timeToLiveSeconds: 3600,
  columns: [nameColumn, ageColumn],
});
