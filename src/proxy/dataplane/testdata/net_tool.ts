/**
 * Small clients and servers that tests start inside network namespaces:
 *   listen tcp|udp ADDRESS PORT NAME   answers each message with "NAME message"; prints "listening"
 *   ask tcp|udp ADDRESS PORT TEXT MS   prints the answer, or the error's code
 *   keep ADDRESS PORT                  one TCP connection: each line of standard input is sent, each answer printed
 *   keep-udp ADDRESS PORT              the same with one UDP socket
 *   control DIRECTORY VERSION STATE EXECUTABLE ARGS...   a control plane: connects, applies STATE, prints the proxy's pid, stays
 */
import dgram from "node:dgram";
import net from "node:net";
import { createInterface } from "node:readline";
import { realClock } from "../../../env/real/clock.ts";
import { createLog } from "../../../env/real/log.ts";
import { checkState } from "../control_protocol.ts";
import { connectProxy } from "../spawn.ts";

const [verb = "", ...args] = process.argv.slice(2);

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : error.message;
}

function listen(protocol: string, address: string, port: number, name: string): void {
  if (protocol === "udp") {
    const socket = dgram.createSocket("udp4");
    socket.on("message", (text, from) => socket.send(`${name} ${text}`, from.port, from.address));
    socket.bind(port, address, () => console.log("listening"));
    return;
  }
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (text) => socket.write(`${name} ${text}`));
  });
  server.listen(port, address, () => console.log("listening"));
}

function ask(protocol: string, address: string, port: number, text: string, limitMs: number): void {
  const finish = (answer: string) => {
    console.log(answer);
    process.exit(0);
  };
  realClock.schedule(limitMs, () => finish("TIMEOUT"));
  if (protocol === "udp") {
    const socket = dgram.createSocket("udp4");
    socket.on("error", (error) => finish(codeOf(error)));
    socket.on("message", (answer) => finish(String(answer)));
    socket.connect(port, address, () => socket.send(text, (error) => error && finish(codeOf(error))));
    return;
  }
  const socket = net.connect(port, address, () => socket.write(text));
  socket.on("error", (error) => finish(codeOf(error)));
  socket.on("data", (answer) => finish(String(answer)));
  socket.on("end", () => finish("FIN"));
}

function keep(address: string, port: number): void {
  const socket = net.connect(port, address, () => console.log("connected"));
  socket.on("error", (error) => console.log(codeOf(error)));
  socket.on("data", (answer) => console.log(String(answer)));
  socket.on("close", () => process.exit(0));
  createInterface({ input: process.stdin }).on("line", (line) => socket.write(line));
}

function keepUdp(address: string, port: number): void {
  const socket = dgram.createSocket("udp4");
  socket.on("error", (error) => console.log(codeOf(error)));
  socket.on("message", (answer) => console.log(String(answer)));
  socket.connect(port, address, () => console.log("ready"));
  createInterface({ input: process.stdin }).on("line", (line) => socket.send(line));
}

async function control(directory: string, version: string, state: string, command: string[]): Promise<void> {
  const [executable = "", ...rest] = command;
  const write = (line: string) => console.error(line);
  const log = createLog({ level: "info", format: "text", clock: realClock, write });
  const link = await connectProxy({ directory, executable, args: rest, version, clock: realClock, log });
  await link.apply(checkState(JSON.parse(state)));
  console.log(String(link.pid));
}

const [first = "", second = "", third = "", ...rest] = args;
if (verb === "listen") listen(first, second, Number(third), rest[0] ?? "");
else if (verb === "ask") ask(first, second, Number(third), rest[0] ?? "", Number(rest[1]));
else if (verb === "keep") keep(first, Number(second));
else if (verb === "keep-udp") keepUdp(first, Number(second));
else if (verb === "control") await control(first, second, third, rest);
