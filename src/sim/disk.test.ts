import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Disk, DiskError } from "../env/disk.ts";
import { realDisk } from "../env/real/disk.ts";
import { SimulatedDisk } from "./disk.ts";
import { SeededRandom } from "./random.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array) => new TextDecoder().decode(value);

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof DiskError) return error.code;
    throw error;
  }
  return "done";
}

function diskContract(name: string, make: () => { disk: Disk; directory: string; dispose: () => void }): void {
  describe(name, () => {
    const trial = (what: string, body: (disk: Disk, directory: string) => Promise<void>) =>
      test(what, async () => {
        const { disk, directory, dispose } = make();
        try {
          await disk.makeDirectory(`${directory}/a/b`);
          await body(disk, `${directory}/a/b`);
        } finally {
          dispose();
        }
      });

    trial("reads what was written, and less at the end of the file", async (disk, directory) => {
      const file = await disk.open(`${directory}/f`, { create: "new" });
      await file.write(3, bytes("hello"));
      await file.sync();
      expect(await file.size()).toBe(8);
      expect([...(await file.read(0, 5))]).toEqual([0, 0, 0, 104, 101]);
      expect(text(await file.read(5, 100))).toBe("llo");
      expect((await file.read(50, 10)).length).toBe(0);
      await file.truncate(4);
      expect(await file.size()).toBe(4);
      await file.close();
      expect((await disk.readFile(`${directory}/f`)).length).toBe(4);
    });

    trial("writes of more than one page of the pool arrive whole", async (disk, directory) => {
      const file = await disk.open(`${directory}/f`, { create: true });
      const large = new Uint8Array(300_000).map((_, at) => at % 251);
      await file.write(10, large);
      expect(await file.read(10, large.length)).toEqual(large);
      await file.close();
    });

    trial("renames a folder with all that is in it, and not onto one that is not empty", async (disk, directory) => {
      await disk.makeDirectory(`${directory}/from/deep`);
      await disk.makeDirectory(`${directory}/other`);
      await disk.writeFileAtomic(`${directory}/from/deep/f`, bytes("1"));
      await disk.writeFileAtomic(`${directory}/other/g`, bytes("2"));
      expect(await codeOf(disk.rename(`${directory}/from`, `${directory}/other`))).toBe("ENOTEMPTY");
      await disk.rename(`${directory}/from`, `${directory}/to`);
      await disk.syncDirectory(directory);
      expect(await disk.list(directory)).toEqual(["other", "to"]);
      expect(text(await disk.readFile(`${directory}/to/deep/f`))).toBe("1");
      expect(await disk.exists(`${directory}/from`)).toBe(false);
    });

    trial("opens, makes or refuses as asked", async (disk, directory) => {
      expect(await codeOf(disk.open(`${directory}/f`))).toBe("ENOENT");
      await (await disk.open(`${directory}/f`, { create: "new" })).close();
      expect(await codeOf(disk.open(`${directory}/f`, { create: "new" }))).toBe("EEXIST");
      await (await disk.open(`${directory}/f`, { create: true })).close();
      await (await disk.open(`${directory}/f`)).close();
      expect(await codeOf(disk.readFile(`${directory}/none`))).toBe("ENOENT");
      expect(await codeOf(disk.list(`${directory}/none`))).toBe("ENOENT");
    });

    trial("allocates zeros and keeps what is there", async (disk, directory) => {
      const file = await disk.open(`${directory}/f`, { create: "new" });
      await file.write(0, bytes("abc"));
      await file.allocate(600_000);
      expect(await file.size()).toBe(600_000);
      await file.allocate(10);
      const all = await file.read(0, 700_000);
      expect([all.length, text(all.subarray(0, 3)), all.subarray(3).some((byte) => byte !== 0)]).toEqual([
        600_000,
        "abc",
        false,
      ]);
      await file.close();
    });

    trial("replaces a file atomically, renames, removes and lists", async (disk, directory) => {
      await disk.writeFileAtomic(`${directory}/f`, bytes("one"));
      await disk.writeFileAtomic(`${directory}/f`, bytes("two"));
      expect(text(await disk.readFile(`${directory}/f`))).toBe("two");
      await disk.rename(`${directory}/f`, `${directory}/g`);
      await disk.syncDirectory(directory);
      await disk.makeDirectory(`${directory}/sub`);
      expect(await disk.list(directory)).toEqual(["g", "sub"]);
      expect([await disk.exists(`${directory}/f`), await disk.exists(`${directory}/g`)]).toEqual([false, true]);
      await disk.remove(`${directory}/g`);
      await disk.remove(`${directory}/g`);
      expect(await disk.exists(`${directory}/g`)).toBe(false);
    });
  });
}

diskContract("The simulated disk", () => ({
  disk: new SimulatedDisk({ random: new SeededRandom(1) }),
  directory: "/d",
  dispose: () => {},
}));

diskContract("The real disk", () => {
  const directory = mkdtempSync(join(tmpdir(), "wherry-disk-"));
  return { disk: realDisk, directory, dispose: () => rmSync(directory, { recursive: true }) };
});

describe("The real disk", () => {
  test("makes files and folders that only their owner can read", async () => {
    const directory = mkdtempSync(join(tmpdir(), "wherry-disk-"));
    try {
      await realDisk.makeDirectory(`${directory}/sub`);
      await realDisk.writeFileAtomic(`${directory}/sub/f`, bytes("x"));
      await realDisk.writeFileAtomic(`${directory}/sub/g`, bytes("x"), { mode: 0o644 });
      const mode = (path: string) => statSync(`${directory}/${path}`).mode & 0o777;
      expect([mode("sub"), mode("sub/f"), mode("sub/g")]).toEqual([0o700, 0o600, 0o644]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("says which call failed on which path", async () => {
    const error = await realDisk.readFile("/nowhere/at/all").catch((thrown: unknown) => thrown);
    expect(String(error)).toBe("DiskError: Cannot read /nowhere/at/all: ENOENT");
  });
});

describe("A power cut of the simulated disk", () => {
  const survivors = async (sync: boolean) => {
    const found = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const disk = new SimulatedDisk({ random: new SeededRandom(seed) });
      await disk.makeDirectory("/d");
      const file = await disk.open("/d/f", { create: "new" });
      await file.allocate(2048);
      await file.sync();
      await disk.syncDirectory("/d");
      await file.write(256, new Uint8Array(1024).fill(65));
      if (sync) await file.sync();
      await disk.rename("/d/f", "/d/g");
      if (sync) await disk.syncDirectory("/d");
      disk.cutPower();
      expect(await codeOf(file.write(0, bytes("x")))).toBe("EIO");
      disk.restore();
      const [name] = await disk.list("/d");
      const content = await disk.readFile(`/d/${name}`);
      // The write touches three sectors of 512 bytes.
      found.add(`${name} ${[300, 600, 1100].map((at) => (content[at] === 65 ? "#" : ".")).join("")}`);
    }
    return found;
  };

  test("loses, keeps and tears what was not synced, sector by sector, and names too", async () => {
    const found = await survivors(false);
    for (const name of ["f", "g"]) for (const kept of ["...", "###"]) expect(found).toContain(`${name} ${kept}`);
    expect(found.size).toBeGreaterThan(8);
  });

  test("leaves what was synced", async () => {
    expect(await survivors(true)).toEqual(new Set(["g ###"]));
  });
});
