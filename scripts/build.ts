/**
 * Builds dist/wherry, one executable: `bun scripts/build.ts [--baseline] [--outfile FILE]`. `--baseline` takes a runtime for
 * processors without AVX2, which bun fetches from the npm registry.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { BunPlugin } from "bun";

const root = join(import.meta.dirname, "..");
const { values } = parseArgs({
  options: { baseline: { type: "boolean", default: false }, outfile: { type: "string" } },
});
const outfile = resolve(values.outfile ?? join(root, "dist", "wherry"));

/**
 * Parts of dockerode that Wherry never calls (Docker over SSH, BuildKit's sessions) bring half of the memory and of the
 * start-up time of a node. They throw when they are called after all.
 */
const unused = /^(ssh2|cpu-features|@grpc\/grpc-js|@grpc\/proto-loader|protobufjs)$/;
const withoutUnused: BunPlugin = {
  name: "without-unused-parts",
  setup(build) {
    build.onResolve({ filter: unused }, ({ path }) => ({ path, namespace: "unused" }));
    build.onLoad({ filter: /.*/, namespace: "unused" }, ({ path }) => ({
      contents: `const refuse = () => { throw new Error("${path} is not part of wherry"); };
        module.exports = new Proxy(function () {}, { get: () => refuse, apply: refuse, construct: refuse });`,
      loader: "js",
    }));
  },
};

/** Folders of the packages that are no development tools and that are installed. */
function neededPackages(): string[] {
  const lock: { packages: Record<string, { dev?: boolean }> } = JSON.parse(
    readFileSync(join(root, "package-lock.json"), "utf8"),
  );
  return Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== "" && dev !== true && existsSync(join(root, path)))
    .map(([path]) => path)
    .filter((path) => !unused.test(path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)));
}

// Paths of the sources end up in the executable: they must not be this machine's.
const directory = mkdtempSync(join(tmpdir(), "wherry-build-"));
try {
  const startedAt = performance.now();
  cpSync(join(root, "src"), join(directory, "src"), { recursive: true });
  for (const file of ["package.json", "tsconfig.json"]) cpSync(join(root, file), join(directory, file));
  for (const path of neededPackages()) cpSync(join(root, path), join(directory, path), { recursive: true });
  process.chdir(directory);
  const built = join(directory, "wherry");
  const result = await Bun.build({
    entrypoints: ["./src/main.ts"],
    compile: values.baseline ? { outfile: built, target: "bun-linux-x64-baseline" } : { outfile: built },
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    // A command, the node and the proxy each load their own part only: half of the start-up time, a tenth less memory.
    splitting: true,
    // dockerode keeps the folder that it was built in, for parts that are left out.
    define: { __dirname: JSON.stringify("/wherry") },
    plugins: [withoutUnused],
  });
  for (const log of result.logs) console.error(String(log));
  if (!result.success || !existsSync(built)) throw new Error("the build failed");
  mkdirSync(dirname(outfile), { recursive: true });
  // A running node keeps its file: it is replaced, not written to.
  cpSync(built, `${outfile}.new`);
  renameSync(`${outfile}.new`, outfile);
  const megabytes = (statSync(outfile).size / 1e6).toFixed(1);
  console.log(`${outfile}: ${megabytes} MB, built in ${Math.round(performance.now() - startedAt)} ms`);
} finally {
  process.chdir(root);
  rmSync(directory, { recursive: true, force: true });
}
