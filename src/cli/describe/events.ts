import { type Event, eventKind } from "../../kinds/core/event.ts";
import { ageOf } from "../../kinds/human_duration.ts";
import type { Observed } from "../../kinds/kind.ts";
import type { ApiConnection } from "../api_connection.ts";
import { readList } from "../object.ts";

interface About {
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly name: string;
  /** More than one for a node: events name it by its uid or by its name. */
  readonly uids: readonly string[];
}

/** The lines about what happened to an object, oldest first. */
export async function eventLines(api: ApiConnection, about: About, nowMs: number): Promise<string[]> {
  const found: Observed<Event>[] = [];
  for (const uid of about.uids) {
    const fieldSelector = [
      `involvedObject.kind=${about.kind}`,
      `involvedObject.name=${about.name}`,
      `involvedObject.uid=${uid}`,
      ...(about.namespace === undefined ? [] : [`involvedObject.namespace=${about.namespace}`]),
    ].join(",");
    found.push(...(await readList(api, eventKind, about.namespace, { fieldSelector })));
  }
  if (found.length === 0) return ["Events:\t<none>"];
  found.sort((a, b) => (lastSeen(a) < lastSeen(b) ? -1 : lastSeen(a) > lastSeen(b) ? 1 : 0));
  return [
    "Events:",
    "  Type\tReason\tAge\tFrom\tMessage",
    "  ----\t------\t----\t----\t-------",
    ...found.map((event) => {
      const from = event.source?.component || event.reportingComponent || "";
      const place = event.involvedObject.fieldPath ? `${event.involvedObject.fieldPath}: ` : "";
      const message = place + (event.message ?? "").trim().replaceAll("\n", " ");
      return `  ${event.type}\t${event.reason}\t${eventAge(event, nowMs)}\t${from}\t${message}`;
    }),
  ];
}

function lastSeen(event: Observed<Event>): string {
  return event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp;
}

/** "5s", or for what came again "5s (x3 over 2m)". */
function eventAge(event: Observed<Event>, nowMs: number): string {
  const age = ageOf(lastSeen(event), nowMs);
  const count = event.series?.count ?? event.count ?? 1;
  if (count < 2) return age;
  return `${age} (x${count} over ${ageOf(event.firstTimestamp ?? event.eventTime, nowMs)})`;
}
