/**
 * Runs every test that CI runs: types, format and lint, house rules, unit and contract tests, simulated scenarios, the
 * build, and end to end with real Docker. `bun scripts/test.ts [unit|e2e]...` runs a part. Ends with "N passed, N failed".
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Engine, ensureEngine, installMissing, nodePrograms } from "./engine.ts";

const root = join(import.meta.dirname, "..");
const bun = process.execPath;
const bin = (name: string) => join(root, "node_modules", ".bin", name);
const say = (line: string) => console.log(`== ${line}`);

interface Tally {
  passed: number;
  failed: number;
}

function run(command: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const keep = (chunk: Buffer) => {
      output += chunk.toString();
      process.stdout.write(chunk);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}

const tally: Tally = { passed: 0, failed: 0 };
const failures: string[] = [];

/** A step that passes or fails as one. */
async function step(name: string, command: string, ...args: string[]): Promise<boolean> {
  say(name);
  const { code } = await run(command, args);
  if (code === 0) tally.passed++;
  else {
    tally.failed++;
    failures.push(name);
  }
  return code === 0;
}

/** A run of bun test: its own counts. A run that ends badly without a failed test counts as one failure. */
async function suite(name: string, ...args: string[]): Promise<void> {
  say(name);
  const { code, output } = await run(bun, ["test", ...args]);
  const count = (word: string) => Number(new RegExp(`^ *(\\d+) ${word}$`, "m").exec(output)?.[1] ?? 0);
  tally.passed += count("pass");
  tally.failed += count("fail");
  if (code !== 0 && count("fail") === 0) tally.failed++;
  if (code !== 0) failures.push(name);
}

const wanted = process.argv.slice(2);
const runs = (part: string) => wanted.length === 0 || wanted.includes(part);
let engine: Engine | undefined;
try {
  if (runs("check")) {
    await step("types", bin("tsc"), "--noEmit");
    await step("format and lint", join(root, "node_modules", "@biomejs", "cli-linux-x64", "biome"), "check", ".");
    await step("house rules", bun, "scripts/tidy.ts");
  }
  engine = await ensureEngine(say);
  installMissing({ ...nodePrograms, conntrack: "conntrack", curl: "curl", script: "bsdutils", unzip: "unzip" }, say);
  if (runs("unit")) {
    await step("test images", bun, "scripts/test_images.ts");
    await suite("unit, contract and simulator tests", "src", "scripts/tidy.test.ts");
  }
  if (runs("e2e")) {
    await step("test images", bun, "scripts/test_images.ts");
    if (await step("build", "./scripts/build.sh")) {
      const files = readdirSync(join(root, "scripts", "e2e")).filter((name) => name.endsWith(".test.ts"));
      for (const file of files.sort()) await suite(`end to end: ${file}`, `./scripts/e2e/${file}`);
    }
  }
} catch (error) {
  tally.failed++;
  failures.push(error instanceof Error ? error.message : String(error));
} finally {
  await engine?.stop();
}
for (const failure of failures) say(`FAILED: ${failure}`);
console.log(`${tally.passed} passed, ${tally.failed} failed`);
process.exit(tally.failed === 0 && tally.passed > 0 ? 0 : 1);
