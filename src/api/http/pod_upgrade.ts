import type { WebSocketAccept } from "../../env/http.ts";
import { badRequest, StatusError } from "../../kinds/status_error.ts";
import { channelProtocols, serveChannels } from "./channel_stream.ts";
import type { HttpOptions } from "./options.ts";
import { chooseContainer, kubeletOf, podTarget } from "./pod_target.ts";
import { isTrue, type ResourceRequest } from "./resource_routes.ts";

/** exec and attach (port-forward follows): checks everything first, so that a refusal is a proper Status. */
export async function upgradePod(options: HttpOptions, resource: ResourceRequest): Promise<WebSocketAccept | Response> {
  const { request, url, path } = resource;
  const { subresource } = path;
  if (path.plural !== "pods" || path.group !== "" || (subresource !== "exec" && subresource !== "attach"))
    throw badRequest(`Cannot upgrade ${url.pathname}: only pods/exec and pods/attach are streams`);
  const target = await podTarget(options, resource, "create");
  const container = chooseContainer(target, url.searchParams.get("container"));
  const flag = (name: string) => {
    const value = url.searchParams.get(name);
    return value !== null && isTrue(value);
  };
  const tty = flag("tty");
  // With a terminal there is one output only.
  const wanted = { stdin: flag("stdin"), stdout: flag("stdout"), stderr: flag("stderr") && !tty, tty };
  if (!wanted.stdin && !wanted.stdout && !wanted.stderr)
    throw badRequest("you must specify at least 1 of stdin, stdout, stderr");
  const protocol = offeredProtocol(request);
  const kubelet = kubeletOf(options, target);
  const streamRequest = { pod: target.ref, container, ...wanted };
  const command = url.searchParams.getAll("command");
  if (subresource === "exec" && command.length === 0) throw badRequest("you must specify a command to execute");
  const stream = await (subresource === "exec"
    ? kubelet.exec({ ...streamRequest, command })
    : kubelet.attach(streamRequest));
  return {
    protocol,
    serve: (connection) => serveChannels(connection, stream, wanted),
  };
}

function offeredProtocol(request: Request): string {
  if (!/^websocket$/i.test(request.headers.get("upgrade") ?? ""))
    throw badRequest(
      "Cannot open this stream by SPDY/3.1: use a client that speaks WebSocket (kubectl 1.30 or later, without KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false)",
    );
  const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((word) => word.trim());
  const agreed = offered.find((word) => channelProtocols.includes(word));
  if (agreed === undefined)
    throw new StatusError(
      403,
      "Forbidden",
      `unable to upgrade: the subprotocols ${JSON.stringify(offered)} are not served, use one of ${channelProtocols.join(", ")}`,
      {},
    );
  return agreed;
}
