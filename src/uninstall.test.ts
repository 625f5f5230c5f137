import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeEmpty } from "./uninstall.ts";

test("a data directory on a disk of its own stays after uninstall, without an error", async () => {
  const directory = mkdtempSync(join(tmpdir(), "wherry-uninstall-"));
  expect(spawnSync("mount", ["-t", "tmpfs", "tmpfs", directory]).status).toBe(0);
  try {
    expect(await removeEmpty(directory)).toBe(false);
    expect(existsSync(directory)).toBe(true);
  } finally {
    spawnSync("umount", [directory]);
    rmdirSync(directory);
  }
});

test("an empty data directory is removed", async () => {
  const directory = mkdtempSync(join(tmpdir(), "wherry-uninstall-"));
  expect(await removeEmpty(directory)).toBe(true);
  expect(existsSync(directory)).toBe(false);
});
