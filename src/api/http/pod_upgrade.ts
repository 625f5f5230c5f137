import type { WebSocketAccept } from "../../env/http.ts";
import { badRequest, StatusError } from "../../kinds/status_error.ts";
import { channelProtocols, refuseChannels, serveChannels } from "./channel_stream.ts";
import type { HttpOptions } from "./options.ts";
import { chooseContainer, kubeletOf, type PodTarget, podTarget } from "./pod_target.ts";
import { type Dial, portChannelProtocol, servePortChannels, serveTunnel, tunnelProtocol } from "./port_forward.ts";
import { isTrue, type ResourceRequest } from "./resource_routes.ts";

/**
 * exec, attach and port-forward. All that the API itself can refuse is checked before the protocol is: a client whose
 * WebSocket was refused tries SPDY, and prints what that is told.
 */
export async function upgradePod(options: HttpOptions, resource: ResourceRequest): Promise<WebSocketAccept | Response> {
  const { request, url, path } = resource;
  const { subresource } = path;
  const known = subresource === "exec" || subresource === "attach" || subresource === "portforward";
  if (path.plural !== "pods" || path.group !== "" || !known)
    throw badRequest(`Cannot upgrade ${url.pathname}: only pods/exec, pods/attach and pods/portforward are streams`);
  const target = await podTarget(options, resource, "create");
  if (subresource === "portforward") return upgradePortForward(options, resource, target);
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
  const kubelet = kubeletOf(options, target);
  const streamRequest = { pod: target.ref, container, ...wanted };
  const command = url.searchParams.getAll("command");
  if (subresource === "exec" && command.length === 0) throw badRequest("you must specify a command to execute");
  const protocol = agreedProtocol(request, channelProtocols);
  try {
    const stream = await (subresource === "exec"
      ? kubelet.exec({ ...streamRequest, command })
      : kubelet.attach(streamRequest));
    return { protocol, serve: (connection) => serveChannels(connection, stream, wanted) };
  } catch (error) {
    // Said inside of the stream: kubectl tries again by SPDY when a handshake fails, and would print that failure instead.
    if (!(error instanceof StatusError)) throw error;
    return { protocol, serve: (connection) => refuseChannels(connection, error) };
  }
}

function upgradePortForward(
  options: HttpOptions,
  { request, url }: ResourceRequest,
  target: PodTarget,
): WebSocketAccept {
  const kubelet = kubeletOf(options, target);
  const protocol = agreedProtocol(request, [tunnelProtocol, portChannelProtocol]);
  const dial: Dial = (port) => {
    if (!Number.isInteger(port) || port < 1 || port > 65535)
      return Promise.reject(badRequest(`Cannot forward port ${port}: must be 1 to 65535`));
    return kubelet.portForward(target.ref, port);
  };
  if (protocol === tunnelProtocol) return { protocol, serve: (connection) => serveTunnel(connection, dial) };
  const ports = url.searchParams.getAll("ports").flatMap((text) => text.split(",").map(Number));
  if (ports.length === 0 || ports.length > 32) throw badRequest("you must specify at least 1 and at most 32 ports");
  return { protocol, serve: (connection) => servePortChannels(connection, ports, dial) };
}

/** The first of the client's subprotocols that is served here. */
function agreedProtocol(request: Request, served: readonly string[]): string {
  if (!/^websocket$/i.test(request.headers.get("upgrade") ?? ""))
    throw badRequest(
      "Cannot open this stream by SPDY/3.1: use a client that speaks WebSocket (kubectl 1.31 or later, without KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false or KUBECTL_PORT_FORWARD_WEBSOCKETS=false)",
    );
  const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((word) => word.trim());
  const agreed = offered.find((word) => served.includes(word));
  if (agreed === undefined)
    throw new StatusError(
      403,
      "Forbidden",
      `unable to upgrade: the subprotocols ${JSON.stringify(offered)} are not served, use one of ${served.join(", ")}`,
      {},
    );
  return agreed;
}
