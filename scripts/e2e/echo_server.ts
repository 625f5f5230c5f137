/** Sends back what it gets, on UDP port 7. */
import { createSocket } from "node:dgram";

const socket = createSocket("udp4");
socket.on("message", (message, { address, port }) => socket.send(message, port, address));
socket.bind(7, "0.0.0.0");
process.on("SIGTERM", () => process.exit(0));
