import type { Clock } from "../env/clock.ts";
import { type Disk, DiskError } from "../env/disk.ts";
import type { Log } from "../env/log.ts";
import type { Random } from "../env/random.ts";
import {
  type LoadedSnapshot,
  previousSnapshotPath,
  readSnapshotFile,
  snapshotPath,
  writeSnapshot,
} from "./snapshot.ts";
import { StateMachine } from "./state_machine.ts";
import { StoreError } from "./store.ts";
import { Wal } from "./wal.ts";
import { joinBatches, readSegments } from "./wal_recovery.ts";
import { type Salvage, salvageLog } from "./wal_salvage.ts";

/** Entries of the log that are gone. */
export interface Loss {
  readonly from: number;
  /** The last one that is known to have been; undefined: the log does not say. */
  readonly through: number | undefined;
}

export interface RecoveryOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Of the store; what is damaged goes to DIRECTORY.damaged-N beside it. */
  readonly directory: string;
  readonly segmentBytes?: number;
}

export interface Recovery {
  /** Where the damaged files are now. */
  readonly damaged: string;
  /** The last entry that the store has. */
  readonly lastIndex: number;
  readonly revision: number;
  /** undefined: nothing was lost. */
  readonly lost: Loss | undefined;
}

/**
 * After a loss revisions go on far beyond any that a client may have seen, and all history counts as compacted: a client that
 * knows a revision which is gone is told so, and lists anew.
 */
const revisionsSkipped = 100_000_000;

/** The first snapshot stands for this entry at most, and may come before the log. */
const foundingIndex = 1;

const walDirectory = (directory: string) => `${directory}/wal`;
const recovering = (directory: string) => `${directory}.recovering`;
const parentOf = (directory: string) => directory.slice(0, Math.max(1, directory.lastIndexOf("/")));

/** Reads and checks everything in a store's directory, and changes nothing. Each text names a file, a byte and what to do. */
export async function findDamage(disk: Disk, directory: string): Promise<string[]> {
  const damage: string[] = [];
  const checked = async <T>(read: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof StoreError && error.code === "Corrupt")) throw error;
      damage.push(error.message);
      return undefined;
    }
  };
  const newest = await checked(() => readSnapshotFile(disk, snapshotPath(directory), { versions: "check" }));
  const previous = () => readSnapshotFile(disk, previousSnapshotPath(directory), { versions: "check" });
  const snapshot = newest ?? (await checked(previous));
  const path = walDirectory(directory);
  const hasLog = (await disk.exists(path)) && (await disk.list(path)).some((name) => name.endsWith(".wal"));
  if (hasLog && snapshot === undefined && damage.length === 0)
    damage.push(`${directory} has a log but no snapshot: files are missing`);
  if (!hasLog && snapshot !== undefined && snapshot.state.index > foundingIndex)
    damage.push(`${directory} has a snapshot but no log: files are missing`);
  const log = hasLog ? await checked(() => readSegments(disk, path)) : undefined;
  if (log !== undefined && snapshot !== undefined)
    await checked(async () => joinBatches(log.segments, snapshot.state, path));
  return damage;
}

/** Moves a store's directory out of the way, durably, as it is. Returns where it is now. */
async function setAside(disk: Disk, directory: string): Promise<string> {
  let number = 1;
  while (await disk.exists(`${directory}.damaged-${number}`)) number++;
  const aside = `${directory}.damaged-${number}`;
  await disk.rename(directory, aside);
  await disk.syncDirectory(parentOf(directory));
  return aside;
}

/**
 * For a member that was alone and has nobody to fetch its data from: makes a store of the newest whole snapshot and of the longest
 * part of the log that follows it, puts it in place of the damaged one, which is kept beside it, and says what was lost. A power
 * cut at any moment leaves the one or the other: `completeRecovery` first, then this again if it is still damaged.
 *
 * Throws InvalidArgument when the member was not alone: let it join the others again. Throws Corrupt when no snapshot is whole.
 */
export async function recoverFromSnapshot(options: RecoveryOptions): Promise<Recovery> {
  const { disk, clock, random, log, directory } = options;
  const snapshot = await newestWhole(disk, directory);
  const salvage =
    (await wholeLog(disk, walDirectory(directory), snapshot)) ??
    (await salvageLog(disk, walDirectory(directory), snapshot.state));
  const state = new StateMachine(clock, { revoke: async () => undefined, checkpoint: async () => undefined });
  state.restore(snapshot.state, snapshot.versions);
  for (const entry of salvage.entries) state.apply(entry);
  const clusterId = salvage.clusterId ?? snapshot.state.clusterId;
  const memberId = salvage.memberId ?? snapshot.state.memberId;
  const conf = state.members.conf();
  if (conf.voters.length !== 1 || conf.voters[0] !== memberId)
    throw new StoreError(
      "InvalidArgument",
      `The store in ${directory} is not alone (its voters are ${conf.voters.join(", ")}): others have what it has lost. Let it join them again`,
    );

  const lost = lossOf(salvage, state.appliedIndex);
  const frozen = state.freeze({ clusterId, memberId, conf });
  const revision = frozen.state.revision + (lost === undefined ? 0 : revisionsSkipped);
  const compactRevision = lost === undefined ? frozen.state.compactRevision : revision;
  const { index, term } = frozen.state;
  const damaged = await replaceStore(disk, directory, async (target) => {
    await disk.makeDirectory(walDirectory(target));
    await writeSnapshot(disk, target, { ...frozen.state, revision, compactRevision }, frozen.heads());
    const { wal } = await Wal.open({
      disk,
      clock,
      random,
      log,
      directory: walDirectory(target),
      segmentBytes: options.segmentBytes ?? 4 * 1024 * 1024,
      identity: () => ({ clusterId, memberId }),
      snapshot: { index, term },
    });
    const known = salvage.hardState.term >= term ? salvage.hardState : { term, vote: 0n };
    await wal.append({ hardState: { term: known.term, vote: known.vote, commit: index }, entries: [] });
    await wal.prepared();
    await wal.close();
  });
  frozen.release();
  const recovery = { damaged, lastIndex: index, revision, lost };
  log.warn("the store was made anew from what was whole", {
    damaged,
    lastIndex: index,
    lost: lost === undefined ? "nothing" : `entries ${lost.from} to ${lost.through ?? "the end, which is not known"}`,
  });
  return recovery;
}

/**
 * Makes a store by `fill` and puts it in the place of the damaged one, which is kept: returns where. A power cut at any moment leaves the
 * one or the other, never an empty directory, in which a member would found a cluster of its own.
 */
export async function replaceStore(
  disk: Disk,
  directory: string,
  fill: (target: string) => Promise<void>,
): Promise<string> {
  const target = recovering(directory);
  await removeFiles(disk, target);
  await disk.makeDirectory(target);
  await fill(target);
  await disk.syncDirectory(target);
  await disk.syncDirectory(parentOf(directory));
  const damaged = await setAside(disk, directory);
  await completeRecovery(disk, directory);
  return damaged;
}

/** To be called before a store is opened: a power cut may have come when only the last step was left. */
export async function completeRecovery(disk: Disk, directory: string): Promise<void> {
  if ((await disk.exists(directory)) || !(await disk.exists(recovering(directory)))) return;
  await disk.rename(recovering(directory), directory);
  await disk.syncDirectory(parentOf(directory));
}

/** The log as a start reads it, where the snapshot alone is damaged. undefined: it is damaged too. */
async function wholeLog(disk: Disk, path: string, snapshot: LoadedSnapshot): Promise<Salvage | undefined> {
  try {
    const { segments } = await readSegments(disk, path);
    const header = segments[0]?.header;
    if (header === undefined) return undefined;
    const { hardState, entries } = joinBatches(segments, snapshot.state, path);
    const { clusterId, memberId } = header;
    return { clusterId, memberId, hardState, entries, lastSeen: 0, endIsBroken: false };
  } catch (error) {
    // It is missing, or damaged: whatever is whole of it is found otherwise.
    if (error instanceof StoreError || error instanceof DiskError) return undefined;
    throw error;
  }
}

async function newestWhole(disk: Disk, directory: string): Promise<LoadedSnapshot> {
  let damage: unknown;
  for (const read of [
    () => readSnapshotFile(disk, snapshotPath(directory)),
    () => readSnapshotFile(disk, previousSnapshotPath(directory)),
  ]) {
    try {
      const snapshot = await read();
      if (snapshot !== undefined) return snapshot;
    } catch (error) {
      if (!(error instanceof StoreError && error.code === "Corrupt")) throw error;
      damage ??= error;
    }
  }
  throw new StoreError("Corrupt", `No snapshot in ${directory} is whole: restore the data directory from a backup`, {
    cause: damage,
  });
}

function lossOf(salvage: Salvage, lastIndex: number): Loss | undefined {
  if (salvage.lastSeen > lastIndex)
    return { from: lastIndex + 1, through: salvage.endIsBroken ? undefined : salvage.lastSeen };
  return salvage.endIsBroken ? { from: lastIndex + 1, through: undefined } : undefined;
}

async function removeFiles(disk: Disk, directory: string): Promise<void> {
  for (const folder of [walDirectory(directory), directory]) {
    if (!(await disk.exists(folder))) continue;
    for (const name of await disk.list(folder)) if (name !== "wal") await disk.remove(`${folder}/${name}`);
    await disk.syncDirectory(folder);
  }
}
