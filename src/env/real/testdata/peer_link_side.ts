/**
 * A peer in a process of its own, on Bun or Deno: its orders are the first line of standard input; with each further line it says
 * how it stands. It writes a numbered frame each 50 ms.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { z } from "zod";
import { realClock } from "../clock.ts";
import { createLog } from "../log.ts";
import { realPeerLink } from "../peer_link.ts";
import { realRandom } from "../random.ts";

const orders = z.object({
  identity: z.object({ certificatePem: z.string(), privateKeyPem: z.string() }),
  address: z.string(),
  port: z.number(),
  other: z.object({ publicKey: z.string(), addresses: z.array(z.string()) }),
});
export type SideOrders = z.infer<typeof orders>;

export interface Side {
  isConnected: boolean;
  /** When that last changed, milliseconds since the epoch. */
  changedMs: number;
  /** The number of the frame that came last; each was above the one before. */
  last: number;
  inOrder: boolean;
  readonly port: number;
}

export async function openSide({ identity, address, port, other }: SideOrders): Promise<Side> {
  const side = { isConnected: false, changedMs: 0, last: 0, inOrder: true };
  const change = (isConnected: boolean) => {
    side.isConnected = isConnected;
    side.changedMs = realClock.now();
  };
  const log = createLog({ level: "error", format: "text", clock: realClock, write: (line) => console.error(line) });
  const network = await realPeerLink({ clock: realClock, random: realRandom, log }).open(
    { listen: { address, port }, identity, clusterId: () => 7n },
    {
      admits: (key) => key === other.publicKey,
      received(_from, frame) {
        const number = new DataView(frame.buffer, frame.byteOffset).getUint32(0);
        side.inOrder &&= number > side.last;
        side.last = number;
      },
      connected: () => change(true),
      disconnected: () => change(false),
    },
  );
  network.setPeers([other]);
  let number = 0;
  const write = () => {
    const frame = new Uint8Array(100);
    new DataView(frame.buffer).setUint32(0, ++number);
    network.send(other.publicKey, frame);
    realClock.schedule(50, write);
  };
  write();
  return Object.assign(side, { port: network.port });
}

if (import.meta.main) {
  const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const side = await openSide(orders.parse(JSON.parse((await input.next()).value ?? "")));
  while (!(await input.next()).done) console.log(JSON.stringify(side));
  process.exit(0);
}
