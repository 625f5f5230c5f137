/** What benches share: medians, and what the kernel says of processes. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Processes of one executable that name `argument` on their command line: a node's control plane and its proxy. */
export function processesOf(executable: string, argument: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return (
          readlinkSync(`/proc/${pid}/exe`) === executable &&
          readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(argument)
        );
      } catch {
        // It ended while we looked.
        return false;
      }
    });
}

/** Proportional set size: shared pages are divided among those who share them. Bytes. */
export function proportionalSetSize(pid: number): number {
  const kilobytes = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

/** What a process holds that is no file's: unlike the whole PSS it does not depend on who else runs the same executable. */
export function anonymousMemory(pid: number): number {
  const kilobytes = /^Pss_Anon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

/** Processor seconds used so far (Linux counts in hundredths of a second). */
export function processorSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Bytes that this process has caused to be written to the device. */
export function bytesWritten(pid: number): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1] ?? 0);
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** How it compares: a peer's figure, or the aim. */
  readonly against?: string;
}

export function print(title: string, figures: readonly Figure[], json: boolean): void {
  if (json) {
    console.log(JSON.stringify({ bench: title, figures }));
    return;
  }
  console.log(`${title}:`);
  for (const { name, value, unit, against } of figures)
    console.log(
      `  ${name.padEnd(58)} ${value.toFixed(value < 10 ? 2 : 0).padStart(10)} ${unit}${against ? `   ${against}` : ""}`,
    );
}
