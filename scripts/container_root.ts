/**
 * Fills dist/root with what a node needs beside its executable, out of this machine's Debian packages: `bun
 * scripts/container_root.ts`, then `docker build -t wherry .`. No registry and no base image are asked.
 */

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { installMissing, nodePrograms } from "./engine.ts";

const root = join(import.meta.dirname, "..");
const target = join(root, "dist", "root");
/** The program, and where it goes: on Debian these are all in /usr/sbin or /usr/bin. */
const programs = ["ip", "nft", "nsenter", "iptables-save", "iptables-restore", "conntrack", "umount"];

function pathOf(program: string): string {
  const found = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map((folder) => `${folder}/${program}`).find(existsSync);
  if (found === undefined) throw new Error(`Cannot find ${program}: is its package installed?`);
  return found;
}

/** At the same path as here, links followed. */
function take(path: string): void {
  mkdirSync(join(target, dirname(path)), { recursive: true });
  cpSync(realpathSync(path), join(target, path), { recursive: true });
}

function libraries(path: string): string[] {
  const output = execFileSync("ldd", [path], { encoding: "utf8" });
  return [...output.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((match) => match[1] ?? "");
}

installMissing({ ...nodePrograms, conntrack: "conntrack" }, console.error);
const executable = join(root, "dist", "wherry");
if (!existsSync(executable)) throw new Error(`Cannot find ${executable}: run ./scripts/build.sh first`);
rmSync(target, { recursive: true, force: true });
for (const folder of ["etc", "run", "tmp", "usr/local/bin", "var/lib", "var/run"])
  mkdirSync(join(target, folder), { recursive: true });
// As on Debian: one folder under both names, whichever a program or a library is looked for by.
for (const folder of ["bin", "sbin", "lib", "lib64"]) {
  mkdirSync(join(target, "usr", folder), { recursive: true });
  symlinkSync(join("usr", folder), join(target, folder));
}

const paths = programs.map(pathOf);
for (const path of paths) take(path);
// Matches and targets of iptables are libraries that it opens by itself.
const modules = [...new Set(paths.flatMap(libraries))].map((path) => join(dirname(path), "xtables")).find(existsSync);
const extensions =
  modules ?? ["/usr/lib/x86_64-linux-gnu/xtables", "/usr/lib/aarch64-linux-gnu/xtables"].find(existsSync);
if (extensions !== undefined) take(extensions);
for (const library of new Set([...paths, executable].flatMap(libraries))) take(library);
for (const file of ["/etc/iproute2", "/usr/share/iproute2"].filter(existsSync)) take(file);
writeFileSync(join(target, "etc", "passwd"), "root:x:0:0:root:/root:/bin/sh\n");
writeFileSync(join(target, "etc", "os-release"), 'ID=wherry\nPRETTY_NAME="Wherry"\n');
console.log(`${target}: ${programs.join(", ")}`);
