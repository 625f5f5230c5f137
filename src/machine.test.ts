import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DataDirectoryInUse, hostAddress, lockDataDirectory, lockNetwork, NetworkInUse } from "./machine.ts";
import { ProxyDirectory } from "./proxy/dataplane/directory.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "wherry-lock-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("lockDataDirectory", () => {
  test("a directory is given back and can be taken again", async () => {
    const release = await lockDataDirectory(directory);
    await release();
    await (await lockDataDirectory(directory))();
  });

  test("another live process keeps it", async () => {
    const parent = process.ppid;
    const stat = await Bun.file(`/proc/${parent}/stat`).text();
    const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    await writeFile(join(directory, "lock"), `${parent} ${start}\n`);
    expect(lockDataDirectory(directory)).rejects.toThrow(DataDirectoryInUse);
  });

  test("the lock of a process that is gone, or whose pid now names another, is taken over", async () => {
    for (const left of [`${process.ppid} 1\n`, "", "\0\0\0\0"]) {
      await writeFile(join(directory, "lock"), left);
      await (await lockDataDirectory(directory))();
    }
    await symlink(`${process.ppid} 1`, join(directory, "lock"));
    await (await lockDataDirectory(directory))();
    expect(await readdir(directory)).toEqual([]);
  });

  test("the lock of a process that was killed and that nobody waits for is taken over", async () => {
    // The shell becomes a program that does not wait for the child.
    const parent = Bun.spawn(["sh", "-c", "sleep 600 & echo $!; exec sleep 600"], { stdout: "pipe" });
    try {
      const { value } = await parent.stdout.getReader().read();
      const pid = Number(new TextDecoder().decode(value));
      const stat = async () => {
        const text = await Bun.file(`/proc/${pid}/stat`).text();
        return text.slice(text.lastIndexOf(")") + 2).split(" ");
      };
      const start = (await stat())[19];
      while ((await Bun.file(`/proc/${parent.pid}/comm`).text()) !== "sleep\n") await Bun.sleep(5);
      await symlink(`${pid} ${start}`, join(directory, "lock"));
      expect(lockDataDirectory(directory)).rejects.toThrow(DataDirectoryInUse);
      process.kill(pid, "SIGKILL");
      while ((await stat())[0] !== "Z") await Bun.sleep(5);
      await (await lockDataDirectory(directory))();
      const proxy = new ProxyDirectory(join(directory, "proxy"));
      proxy.create();
      await writeFile(join(directory, "proxy", "proxy.pid"), `${pid} ${start}\n`);
      expect(proxy.holder()).toBeUndefined();
      expect(() => proxy.claim(process.pid)).not.toThrow();
    } finally {
      parent.kill("SIGKILL");
    }
  });

  test("of many that start at the same time over a stale lock one gets it", async () => {
    await symlink(`${process.ppid} 1`, join(directory, "lock"));
    const script = `
      import { lockDataDirectory } from ${JSON.stringify(join(import.meta.dir, "machine.ts"))};
      await lockDataDirectory(${JSON.stringify(directory)}).then(() => console.log("mine"), () => console.log("not mine"));
      // Holds it until the last one has tried.
      await Bun.stdin.text();
    `;
    const starters = Array.from({ length: 6 }, () =>
      Bun.spawn([process.execPath, "-e", script], { stdin: "pipe", stdout: "pipe" }),
    );
    const said: string[] = [];
    for (const { stdout } of starters) {
      const { value } = await stdout.getReader().read();
      said.push(new TextDecoder().decode(value).trim());
    }
    for (const { stdin } of starters) stdin.end();
    await Promise.all(starters.map(({ exited }) => exited));
    expect(said.filter((word) => word === "mine")).toHaveLength(1);
  });
});

test("the host's address is an IPv4 address", () => {
  expect(hostAddress()).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
});

test("a network namespace is one node's, which is named to the second, and free again afterwards", async () => {
  const name = `\0wherry-test-${crypto.randomUUID()}`;
  const release = await lockNetwork("/srv/first", name);
  const second = lockNetwork("/srv/second", name);
  expect(second).rejects.toThrow(NetworkInUse);
  expect(second).rejects.toThrow(`process ${process.pid} with the data directory /srv/first`);
  await second.catch(() => undefined);
  await release();
  await (await lockNetwork("/srv/second", name))();
});
