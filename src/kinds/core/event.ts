import { nameColumn, wide } from "../columns.ts";
import { ageOf } from "../human_duration.ts";
import { defineKind, type Observed } from "../kind.ts";
import { ObjectMeta } from "../meta.ts";
import { type Infer, int32, message, microTime, optional, required, string, time } from "../schema.ts";
import { invalidValue, requiredValue } from "../status_error.ts";
import { checkQualifiedName, type Errors } from "../validation.ts";
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

type When = Pick<Observed<Event>, "firstTimestamp" | "lastTimestamp" | "eventTime" | "series">;

function firstSeen({ firstTimestamp, eventTime }: When): string | undefined {
  return firstTimestamp || eventTime;
}

function lastSeen(event: When): string | undefined {
  return event.series?.lastObservedTime || event.lastTimestamp || firstSeen(event);
}

function validateEvent(event: Event): Errors {
  const errors: Errors = [];
  const namespace = event.metadata.namespace ?? "";
  const involved = event.involvedObject.namespace ?? "";
  // What belongs to no namespace is told of in the default one.
  if (involved === "" ? !["", "default"].includes(namespace) : involved !== namespace)
    errors.push(invalidValue("involvedObject.namespace", involved, "does not match event.namespace"));
  if (event.eventTime === undefined) return errors;
  // An event of the newer form says who reports and what was done.
  const { reportingComponent = "", message: text = "" } = event;
  if (reportingComponent === "") errors.push(requiredValue("reportingComponent"));
  else errors.push(...checkQualifiedName(reportingComponent, "reportingComponent"));
  for (const field of ["reportingInstance", "action", "reason"] as const) {
    const value = event[field] ?? "";
    if (value === "") errors.push(requiredValue(field));
    if (value.length > 128) errors.push(invalidValue(field, "", "can have at most 128 characters"));
  }
  if (text.length > 1024) errors.push(invalidValue("message", "", "can have at most 1024 characters"));
  return errors;
}

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
  columns: [
    {
      name: "Last Seen",
      type: "string",
      description: "When the event happened last.",
      cell: (event, nowMs) => ageOf(lastSeen(event), nowMs),
    },
    { name: "Type", type: "string", description: "Normal or Warning.", cell: ({ type }) => type ?? "" },
    { name: "Reason", type: "string", description: "What happened, in one word.", cell: ({ reason }) => reason ?? "" },
    {
      name: "Object",
      type: "string",
      description: "What it happened to.",
      cell: ({ involvedObject: { kind = "", name } }) => (name ? `${kind.toLowerCase()}/${name}` : kind.toLowerCase()),
    },
    wide({
      name: "Subobject",
      type: "string",
      description: "The part that it happened to.",
      cell: ({ involvedObject }) => involvedObject.fieldPath ?? "",
    }),
    wide({
      name: "Source",
      type: "string",
      description: "Who says so.",
      cell: ({ source, reportingComponent, reportingInstance }) =>
        [source?.component || reportingComponent, source?.host || reportingInstance].filter(Boolean).join(", "),
    }),
    {
      name: "Message",
      type: "string",
      description: "What happened, for people.",
      cell: ({ message: text = "" }) => text.trim(),
    },
    wide({
      name: "First Seen",
      type: "string",
      description: "When the event happened first.",
      cell: (event, nowMs) => ageOf(firstSeen(event), nowMs),
    }),
    wide({
      name: "Count",
      type: "string",
      description: "How often it happened.",
      cell: ({ series, count }) => (series === undefined ? count || 1 : (series.count ?? 0)),
    }),
    wide(nameColumn),
  ],
  selectableFields: {
    "involvedObject.kind": (event) => event.involvedObject.kind ?? "",
    "involvedObject.namespace": (event) => event.involvedObject.namespace ?? "",
    "involvedObject.name": (event) => event.involvedObject.name ?? "",
    "involvedObject.uid": (event) => event.involvedObject.uid ?? "",
    "involvedObject.apiVersion": (event) => event.involvedObject.apiVersion ?? "",
    "involvedObject.resourceVersion": (event) => event.involvedObject.resourceVersion ?? "",
    "involvedObject.fieldPath": (event) => event.involvedObject.fieldPath ?? "",
    reason: (event) => event.reason ?? "",
    reportingComponent: (event) => event.reportingComponent ?? "",
    // Older clients ask for the component by this name.
    source: (event) => event.source?.component || event.reportingComponent || "",
    type: (event) => event.type ?? "",
  },
  validate: validateEvent,
});
