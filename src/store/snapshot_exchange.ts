import type { Disk, DiskFile } from "../env/disk.ts";
import { describeError, type Log } from "../env/log.ts";
import type { MemberId, Message } from "../raft/types.ts";
import { crc32 } from "./checksum.ts";
import type { PeerFrame } from "./peer_message.ts";
import { type LoadedSnapshot, readSnapshotFile, snapshotPath } from "./snapshot.ts";

type Install = Extract<Message, { readonly type: "installSnapshot" }>;
type Offer = Extract<PeerFrame, { readonly kind: "snapshotOffer" }>;
type Chunk = Extract<PeerFrame, { readonly kind: "snapshotChunk" }>;
type Progress = Extract<PeerFrame, { readonly kind: "snapshotProgress" }>;

export interface SnapshotExchangeOptions {
  readonly disk: Disk;
  readonly log: Log;
  /** Where `snapshot` is. */
  readonly directory: string;
  readonly send: (to: MemberId, frame: PeerFrame) => boolean;
  /** A snapshot that was offered has arrived whole, or was given up. */
  readonly sent: (to: MemberId, delivered: boolean) => void;
  /** This member's own snapshot was refused, and is damaged: a new one is needed. */
  readonly rotten: () => void;
  /** A peer's snapshot is here, durable and whole: this is raft's message for it. */
  readonly received: (message: Install) => void;
}

interface Outgoing {
  readonly message: Install;
  readonly file: DiskFile;
  readonly length: number;
  /** All before is on its way. */
  next: number;
  /** Since the receiver was last heard of. */
  silentTicks: number;
}

interface Incoming {
  readonly from: MemberId;
  readonly message: Install;
  readonly length: number;
  readonly path: string;
  readonly file: DiskFile;
  /** All before is written. */
  offset: number;
}

/** Small, so that what raft has to say need not wait long behind it. */
const chunkBytes = 128 * 1024;
/** How far the sender is ahead of the receiver. */
const windowBytes = 4 * chunkBytes;
const patienceTicks = 50;
const incomingPrefix = "incoming-";

/**
 * Snapshots between members (§5.3): offered, fetched in checksummed chunks in the receiver's time, read back whole before raft hears
 * of it. A transfer that was cut off goes on where it was, also after a restart: what is there says whose it is by its name, and a file
 * that does not prove right in the end is fetched anew.
 */
export class SnapshotExchange {
  readonly #options: SnapshotExchangeOptions;
  readonly #outgoing = new Map<MemberId, Outgoing>();
  #incoming: Incoming | undefined;
  /** The whole one that raft was told of. */
  #arrived: { readonly path: string; readonly index: number; readonly loaded: LoadedSnapshot } | undefined;
  /** One frame after the other: they write to a file. */
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: SnapshotExchangeOptions) {
    this.#options = options;
  }

  /** Sends this member's own snapshot, which `message` stands for. */
  offer(message: Install): void {
    void this.#inTurn(async () => {
      const { to } = message;
      await this.#giveUp(to);
      const file = await this.#options.disk.open(snapshotPath(this.#options.directory));
      const length = await file.size();
      this.#outgoing.set(to, { message, file, length, next: 0, silentTicks: 0 });
      const { snapshot, term } = message;
      if (!this.#options.send(to, { kind: "snapshotOffer", snapshot, term, length })) await this.#failed(to);
    });
  }

  receive(from: MemberId, self: MemberId, frame: Offer | Chunk | Progress): void {
    void this.#inTurn(async () => {
      if (frame.kind === "snapshotProgress") await this.#progress(from, frame);
      else await this.#take(from, self, frame);
    });
  }

  /** Whatever goes wrong here (a full disk), the sender hears of it, and offers again. */
  async #take(from: MemberId, self: MemberId, frame: Offer | Chunk): Promise<void> {
    try {
      if (frame.kind === "snapshotOffer") await this.#offered(from, self, frame);
      else await this.#chunk(from, frame);
    } catch (error) {
      const index = frame.kind === "snapshotOffer" ? frame.snapshot.index : frame.index;
      this.#options.send(from, { kind: "snapshotProgress", index, offset: 0, state: "refused" });
      throw error;
    }
  }

  /** Time passes: what has not gone on for long is given up, for a frame may have got lost. */
  tick(): void {
    for (const [to, outgoing] of this.#outgoing) {
      // Once all was sent the other side reads it back, which takes its time.
      const patience = outgoing.next < outgoing.length ? patienceTicks : 10 * patienceTicks;
      if (++outgoing.silentTicks === patience) void this.#inTurn(() => this.#failed(to));
    }
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(async () => {
      if (this.#closed) return;
      try {
        await step();
      } catch (error) {
        this.#options.log.warn("the transfer of a snapshot failed: it will be tried again", {
          error: describeError(error),
        });
      }
    });
    return this.#work;
  }

  /** The connection to a member has gone: what was on its way to it is offered again later. */
  lost(id: MemberId): void {
    if (this.#outgoing.has(id)) void this.#inTurn(() => this.#failed(id));
  }

  // Sending

  async #progress(from: MemberId, { index, offset, state }: Progress): Promise<void> {
    const outgoing = this.#outgoing.get(from);
    if (outgoing === undefined || outgoing.message.snapshot.index !== index) return;
    outgoing.silentTicks = 0;
    if (state !== "more") {
      await this.#giveUp(from);
      if (state === "refused") await this.#checkOwn();
      this.#options.sent(from, state === "done");
      return;
    }
    // The first word says where to begin; later the chunks on their way are those that it wants.
    outgoing.next = Math.max(offset, outgoing.next);
    while (outgoing.next < outgoing.length && outgoing.next - offset < windowBytes) {
      const at = outgoing.next;
      const bytes = await outgoing.file.read(at, Math.min(chunkBytes, outgoing.length - at));
      const chunk: Chunk = { kind: "snapshotChunk", index, offset: at, checksum: crc32(bytes, at >>> 0), bytes };
      if (!this.#options.send(from, chunk)) return this.#failed(from);
      outgoing.next += bytes.length;
    }
  }

  /** Sent again and again, what has rotted here would be refused for ever. */
  async #checkOwn(): Promise<void> {
    const { disk, directory, log, rotten } = this.#options;
    try {
      await readSnapshotFile(disk, snapshotPath(directory), { versions: "check" });
    } catch (error) {
      log.error("this member's snapshot is damaged: a new one is made", { error: describeError(error) });
      rotten();
    }
  }

  async #failed(to: MemberId): Promise<void> {
    await this.#giveUp(to);
    this.#options.sent(to, false);
  }

  async #giveUp(to: MemberId): Promise<void> {
    const outgoing = this.#outgoing.get(to);
    this.#outgoing.delete(to);
    await outgoing?.file.close();
  }

  // Receiving

  async #offered(from: MemberId, self: MemberId, { snapshot, term, length }: Offer): Promise<void> {
    const { disk, directory } = this.#options;
    const { index } = snapshot;
    const message: Install = { type: "installSnapshot", from, to: self, term, snapshot };
    const arrived = this.#arrived;
    if (arrived?.index === index && arrived.loaded.bytes === length) return this.#done(message);
    await this.#incoming?.file.close();
    this.#incoming = undefined;
    const name = `${incomingPrefix}${from}-${index}-${snapshot.term}-${length}`;
    const path = `${directory}/${name}`;
    for (const other of await disk.list(directory))
      if (other.startsWith(incomingPrefix) && other !== name) await disk.remove(`${directory}/${other}`);
    const file = await disk.open(path, { create: true });
    const offset = Math.min(await file.size(), length);
    this.#incoming = { from, message, length, path, file, offset };
    if (offset === length) await this.#complete(this.#incoming);
    else this.#options.send(from, { kind: "snapshotProgress", index, offset, state: "more" });
  }

  async #chunk(from: MemberId, { index, offset, checksum, bytes }: Chunk): Promise<void> {
    const incoming = this.#incoming;
    if (incoming === undefined || incoming.from !== from || incoming.message.snapshot.index !== index) return;
    if (offset !== incoming.offset) return;
    if (crc32(bytes, offset >>> 0) !== checksum || offset + bytes.length > incoming.length) {
      this.#options.send(from, { kind: "snapshotProgress", index, offset, state: "refused" });
      return;
    }
    await incoming.file.write(offset, bytes);
    incoming.offset += bytes.length;
    if (incoming.offset === incoming.length) return this.#complete(incoming);
    this.#options.send(from, { kind: "snapshotProgress", index, offset: incoming.offset, state: "more" });
  }

  async #complete(incoming: Incoming): Promise<void> {
    const { disk, log } = this.#options;
    const { message, path, file, from, length } = incoming;
    const { index } = message.snapshot;
    await file.sync();
    await file.close();
    this.#incoming = undefined;
    let loaded: LoadedSnapshot | undefined;
    try {
      loaded = await readSnapshotFile(disk, path);
    } catch (error) {
      log.warn("a snapshot from a peer is damaged: it is fetched anew", { error: describeError(error) });
    }
    if (loaded === undefined || loaded.state.index !== index) {
      await disk.remove(path);
      this.#options.send(from, { kind: "snapshotProgress", index, offset: length, state: "refused" });
      return;
    }
    this.#arrived = { path, index, loaded };
    this.#done(message);
  }

  #done(message: Install): void {
    this.#options.received(message);
    const { index } = message.snapshot;
    this.#options.send(message.from, { kind: "snapshotProgress", index, offset: 0, state: "done" });
  }

  /** Puts the snapshot that raft has accepted in the place of this member's own, durably. */
  async install(index: number): Promise<LoadedSnapshot> {
    const arrived = this.#arrived;
    if (arrived?.index !== index) throw new Error(`There is no snapshot up to ${index} to install`);
    const { disk, directory } = this.#options;
    await disk.rename(arrived.path, snapshotPath(directory));
    await disk.syncDirectory(directory);
    this.#arrived = undefined;
    return arrived.loaded;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#work;
    for (const { file } of this.#outgoing.values()) await file.close();
    this.#outgoing.clear();
    await this.#incoming?.file.close();
  }
}
