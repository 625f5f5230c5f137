import { badRequest, invalid, isNotFound, type StatusError } from "../../kinds/status_error.ts";
import type { LogRequest } from "../kubelet_link.ts";
import { arrayAt, isRecord, recordAt, stringAt } from "./json_value.ts";
import type { HttpOptions } from "./options.ts";
import { chooseContainer, kubeletOf, type PodTarget, podTarget } from "./pod_target.ts";
import { pulledStream } from "./pulled_stream.ts";
import { isTrue, type ResourceRequest } from "./resource_routes.ts";
import { textAnswer } from "./respond.ts";

/** GET pods/log: text, sent as it is written. */
export async function serveLog(options: HttpOptions, resource: ResourceRequest): Promise<Response> {
  const target = await podTarget(options, resource, "get");
  const parameters = resource.url.searchParams;
  const container = chooseContainer(target, parameters.get("container"));
  const request: LogRequest = { pod: target.ref, container, ...logOptions(target.ref.name, parameters) };
  // Not scheduled yet: no log, and no error either.
  if (target.nodeName === "") return textAnswer(200, "");

  const stop = new AbortController();
  const end = () => stop.abort();
  resource.request.signal.addEventListener("abort", end, { once: true });
  let chunks: AsyncIterator<Uint8Array>;
  try {
    const log = await kubeletOf(options, target).logs(request, stop.signal);
    chunks = log[Symbol.asyncIterator]();
  } catch (error) {
    resource.request.signal.removeEventListener("abort", end);
    throw isNotFound(error) ? (notStarted(target, container, request.previous) ?? error) : error;
  }
  const release = () => {
    resource.request.signal.removeEventListener("abort", end);
    stop.abort();
  };
  const body = pulledStream<Uint8Array>({ source: chunks, encode: (chunk) => chunk, release });
  return new Response(body, { status: 200, headers: { "content-type": "text/plain; charset=utf-8" } });
}

type LogOptions = Omit<LogRequest, "pod" | "container">;

function logOptions(pod: string, parameters: URLSearchParams): LogOptions {
  const whole = (name: string, least: number): number | undefined => {
    const text = parameters.get(name);
    if (text === null || text === "") return undefined;
    const value = Number(text);
    if (!Number.isInteger(value))
      throw badRequest(`Cannot read query parameter ${name}: ${JSON.stringify(text)} is not an integer`);
    if (value < least)
      throw invalid({ group: "", kind: "PodLogOptions" }, pod, [
        {
          reason: "FieldValueInvalid",
          field: name,
          message: `Invalid value: ${value}: must be greater than ${least === 0 ? "or equal to 0" : "0"}`,
        },
      ]);
    return value;
  };
  const tailLines = whole("tailLines", 0);
  const limitBytes = whole("limitBytes", 1);
  const sinceSeconds = whole("sinceSeconds", 1);
  const sinceTime = parameters.get("sinceTime") ?? "";
  const stream = parameters.get("stream") ?? "";
  if (sinceTime !== "" && Number.isNaN(Date.parse(sinceTime)))
    throw badRequest(`Cannot read query parameter sinceTime: ${JSON.stringify(sinceTime)} is not an RFC 3339 time`);
  if (sinceTime !== "" && sinceSeconds !== undefined)
    throw invalid({ group: "", kind: "PodLogOptions" }, pod, [
      {
        reason: "FieldValueForbidden",
        field: "",
        message: "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
      },
    ]);
  if (stream !== "" && stream !== "All" && stream !== "Stdout" && stream !== "Stderr")
    throw invalid({ group: "", kind: "PodLogOptions" }, pod, [
      {
        reason: "FieldValueNotSupported",
        field: "stream",
        message: `Unsupported value: ${JSON.stringify(stream)}: supported values: "All", "Stderr", "Stdout"`,
      },
    ]);
  return {
    follow: flag(parameters, "follow"),
    previous: flag(parameters, "previous"),
    timestamps: flag(parameters, "timestamps"),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(sinceSeconds === undefined ? {} : { sinceSeconds }),
    ...(sinceTime === "" ? {} : { sinceTime }),
    ...(stream === "All" || stream === "Stdout" || stream === "Stderr" ? { stream } : {}),
  };
}

function flag(parameters: URLSearchParams, name: string): boolean {
  const value = parameters.get(name);
  return value !== null && isTrue(value);
}

/** Why a container that the kubelet does not know has no log, from the pod's status and in the kubelet's words. */
function notStarted(target: PodTarget, container: string, previous: boolean): StatusError | undefined {
  const status = recordAt(target.pod, "status");
  const found = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"]
    .flatMap((key) => arrayAt(status, key))
    .find((one) => stringAt(one, "name") === container);
  const where = `container ${JSON.stringify(container)} in pod ${JSON.stringify(target.ref.name)}`;
  if (previous) return badRequest(`previous terminated ${where} not found`);
  const waiting = recordAt(found, "state").waiting;
  if (!isRecord(waiting)) return undefined;
  const reason = stringAt(waiting, "reason");
  const why =
    reason === "ErrImagePull"
      ? "image can't be pulled"
      : reason === "ImagePullBackOff"
        ? "trying and failing to pull image"
        : reason;
  return badRequest(`${where} is waiting to start: ${why}`);
}
