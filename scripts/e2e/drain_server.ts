/**
 * An HTTP server as a good citizen writes it: after SIGTERM it goes on answering, asks its clients to close
 * their kept connections, and ends when the last one has gone. Its revision (REVISION) is its answer.
 */
import { createServer } from "node:http";

let draining = false;
let connections = 0;
const revision = process.env.REVISION ?? "none";

const server = createServer((_, response) => {
  if (draining) response.setHeader("connection", "close");
  response.end(`${revision}\n`);
});
server.on("connection", (socket) => {
  connections++;
  socket.on("close", () => {
    connections--;
    if (draining && connections === 0) process.exit(0);
  });
});
server.listen(8000, "0.0.0.0");
process.on("SIGTERM", () => {
  draining = true;
  if (connections === 0) process.exit(0);
});
