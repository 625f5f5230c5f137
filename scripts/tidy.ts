/**
 * The house rules as a test: `bun scripts/tidy.ts [ROOT]` prints each breach as FILE:LINE and exits 1. Rules are in
 * docs/ARCHITECTURE.md: who may import whom, no circles, no file that nobody imports, effects only through env, every
 * kind listed, names in snake_case, the lock file whole.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

export interface Breach {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
}

/** The rooms that a room may import, besides itself. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  raft: [],
  env: [],
  kinds: [],
  store: ["raft", "env"],
  api: ["store", "kinds", "env"],
  client: ["kinds", "env"],
  control: ["client", "kinds", "env"],
  node: ["client", "kinds", "env"],
  proxy: ["client", "kinds", "env"],
  cli: ["client", "kinds", "env"],
  console: ["client", "kinds", "env"],
};
const everyRoom = ["raft", "env", "kinds", "store", "api", "client", "control", "node", "proxy", "cli", "console"];
/** Files that do real I/O: what runs in the simulator must not reach them. */
const realEffects = [
  /^src\/env\/real\//,
  /^src\/node\/docker\.ts$/,
  /^src\/node\/pod_network\.ts$/,
  /^src\/proxy\/dataplane\//,
];
/** Where real effects are made and handed in. */
const composition = ["src/main.ts", "src/up.ts", "src/uninstall.ts"];
const mayDoIo = [
  ...realEffects,
  ...composition.map((path) => new RegExp(`^${path.replace(".", "\\.")}$`)),
  /^src\/store\/etcd\//,
  /^src\/machine\.ts$/,
  /^src\/sim\/simulation\.ts$/,
  /^src\/sim\/clock\.ts$/,
];

/** Globals that are effects. The simulator makes them throw; here they are found before. */
const effects: readonly [RegExp, string][] = [
  [/\bDate\.now\b/, "Date.now"],
  [/\bnew Date\(\s*\)/, "new Date() of the present"],
  [/\bMath\.random\b/, "Math.random"],
  [/(?<![.\w])setTimeout\b/, "setTimeout"],
  [/(?<![.\w])setInterval\b/, "setInterval"],
  [/(?<![.\w])setImmediate\b/, "setImmediate"],
  [/(?:\bawait|\breturn|\bvoid|=>|=|\(|,|\?|:)\s*fetch\(/, "global fetch"],
  // A call that is a statement; a method's declaration ends in its type or its body.
  [/^[ \t]*fetch\([^\n]*\);?[ \t]*$/m, "global fetch"],
  // Under another name, and by way of the global object.
  [/=\s*fetch\b(?!\s*[(:=])/, "global fetch"],
  [
    /(?<![.#\w])(?:globalThis|window|self)\s*(?:\.\s*(?:fetch|set(?:Timeout|Interval|Immediate))\b|\[)/,
    "a global effect",
  ],
  [/\}\s*=\s*(?:Date|Math|performance|crypto|globalThis)\b(?!\.)/, "a global effect"],
  [/\b(?:Date|Math)\s*\[/, "a global effect"],
  [/(?<![.\w])Date\(\s*\)/, "Date() of the present"],
  [/\bprocess\.hrtime\b/, "process.hrtime"],
  [/(?<![.\w])Bun\.(?!deepEquals\b)/, "Bun's own I/O"],
  [/(?<![.\w])require\(/, "require"],
  [/\bcrypto\.subtle\b/, "crypto.subtle"],
  [/\brandomUUID\b/, "randomUUID"],
  [/\bperformance\.now\b/, "performance.now"],
];
const ioModules =
  /^((node:)?(fs|fs\/promises|net|tls|http|https|http2|dgram|dns.*|child_process|os|worker_threads|timers.*)|dockerode|ws|undici|bun)$/;
const entryPoints = [/^src\/main\.ts$/, /^src\/store\/etcd\/services\.ts$/];

export interface SourceFile {
  readonly path: string;
  /** The text with comments blanked out; strings are kept, because imports need them. */
  readonly code: string;
  /** Strings blanked out too. */
  readonly bare: string;
  readonly imports: readonly { readonly specifier: string; readonly line: number }[];
}

/** Replaces comments, and in `bare` also the inside of strings, by spaces; line numbers stay. */
export function blank(text: string): { code: string; bare: string } {
  const code = [...text];
  const bare = [...text];
  const erase = (target: string[], from: number, to: number) => {
    for (let at = from; at < to; at++) if (target[at] !== "\n") target[at] = " ";
  };
  let at = 0;
  /** Depths of `{` at which a template literal's expression ends. */
  const templates: number[] = [];
  let depth = 0;
  let previous = "";
  const endOfString = (from: number, quote: string): number => {
    let end = from + 1;
    while (end < text.length && text[end] !== quote && !(quote === "`" && text[end] === "$" && text[end + 1] === "{"))
      end += text[end] === "\\" ? 2 : 1;
    return end;
  };
  while (at < text.length) {
    const char = text[at] ?? "";
    const pair = text.slice(at, at + 2);
    if (pair === "//" || pair === "/*") {
      const close = pair === "//" ? text.indexOf("\n", at) : text.indexOf("*/", at + 2);
      const end = close < 0 ? text.length : pair === "//" ? close : close + 2;
      erase(code, at, end);
      erase(bare, at, end);
      at = end;
      continue;
    }
    const resumesTemplate = char === "}" && templates[templates.length - 1] === depth;
    if (char === '"' || char === "'" || char === "`" || resumesTemplate) {
      const quote = resumesTemplate ? "`" : char;
      if (resumesTemplate) templates.pop();
      const end = endOfString(at, quote);
      erase(bare, at + 1, end);
      if (text[end] === "$") {
        templates.push(depth);
        at = end + 2;
      } else at = end + 1;
      previous = quote;
      continue;
    }
    if (char === "/" && !/[\w)\]"'`]/.test(previous)) {
      let end = at + 1;
      let inClass = false;
      while (end < text.length && text[end] !== "\n" && (inClass || text[end] !== "/")) {
        if (text[end] === "\\") end++;
        else if (text[end] === "[") inClass = true;
        else if (text[end] === "]") inClass = false;
        end++;
      }
      erase(bare, at + 1, end);
      at = end + 1;
      previous = "/";
      continue;
    }
    if (char === "{") depth++;
    if (char === "}") depth--;
    if (/\S/.test(char)) previous = char;
    at++;
  }
  return { code: code.join(""), bare: bare.join("") };
}

function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < index; at = text.indexOf("\n", at + 1)) line++;
  return line;
}

export function parse(path: string, text: string): SourceFile {
  const { code, bare } = blank(text);
  const imports: { specifier: string; line: number }[] = [];
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*)(["'])([^"'\n]+)\1/g;
  for (const match of code.matchAll(pattern)) {
    // Only where the word itself is code, not inside a string.
    if (!/\S/.test(bare.slice(match.index, match.index + 4))) continue;
    const specifier = match[2];
    if (specifier !== undefined) imports.push({ specifier, line: lineAt(code, match.index) });
  }
  return { path, code, bare, imports };
}

const isTest = (path: string) => /\.test\.ts$|_contract\.ts$|\.test_support\.ts$|\/testdata\//.test(path);
const roomOf = (path: string) => (path.split("/").length > 2 ? (path.split("/")[1] ?? "") : path);

function importBreach(from: string, to: string): string | undefined {
  const fromRoom = roomOf(from);
  const toRoom = roomOf(to);
  if (toRoom === "sim" && fromRoom !== "sim" && !isTest(from)) return "nothing imports the simulator";
  if (composition.includes(from) || fromRoom === toRoom) {
    const simulated = !realEffects.some((real) => real.test(from));
    if (fromRoom === toRoom && simulated && !isTest(from) && realEffects.some((real) => real.test(to)))
      return `${to} does real I/O: let the composition hand it in`;
    return undefined;
  }
  if (isTest(from)) return undefined;
  if (fromRoom === "sim" || /^src\/[^/]+$/.test(from)) {
    return realEffects.some((real) => real.test(to)) ? `${to} does real I/O: hand it in through env` : undefined;
  }
  const allowed = mayImport[fromRoom];
  if (allowed === undefined) return `no rule for a file in ${fromRoom}: name its room in docs/ARCHITECTURE.md`;
  if (!allowed.includes(toRoom)) {
    if (everyRoom.includes(toRoom)) return `${fromRoom} may import ${allowed.join(", ") || "nothing"}, not ${toRoom}`;
    return `${fromRoom} may not import ${to}`;
  }
  if (to.startsWith("src/env/real/") && !realEffects.some((real) => real.test(from)))
    return "only the composition may import env/real";
  return undefined;
}

/** Every elementary circle is reported once, at the file that sorts first. */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const state = new Map<string, "open" | "done">();
  const path: string[] = [];
  const visit = (file: string) => {
    state.set(file, "open");
    path.push(file);
    for (const next of graph.get(file) ?? []) {
      if (state.get(next) === "open") found.push([...path.slice(path.indexOf(next)), next]);
      else if (!state.has(next)) visit(next);
    }
    path.pop();
    state.set(file, "done");
  };
  for (const file of [...graph.keys()].sort()) if (!state.has(file)) visit(file);
  return found;
}

export function check(files: readonly SourceFile[]): Breach[] {
  const breaches: Breach[] = [];
  const byPath = new Map(files.map((file) => [file.path, file]));
  const imported = new Set<string>();
  const graph = new Map<string, string[]>();

  for (const file of files) {
    const targets: string[] = [];
    for (const { specifier, line } of file.imports) {
      if (!specifier.startsWith(".")) {
        const doesIo = ioModules.test(specifier) && !mayDoIo.some((allowed) => allowed.test(file.path));
        if (doesIo && !isTest(file.path))
          breaches.push({ file: file.path, line, rule: `${specifier} is I/O: ask env for the effect` });
        continue;
      }
      const target = normalize(join(dirname(file.path), specifier));
      if (!byPath.has(target)) {
        if (!/\.(json|txt)$/.test(target))
          breaches.push({ file: file.path, line, rule: `imports ${specifier}, which is not there` });
        continue;
      }
      if (!isTest(file.path) || isTest(target)) imported.add(target);
      if (isTest(file.path)) continue;
      targets.push(target);
      const breach = importBreach(file.path, target);
      if (breach !== undefined) breaches.push({ file: file.path, line, rule: breach });
    }
    graph.set(file.path, targets);

    const name = file.path.slice(file.path.lastIndexOf("/") + 1);
    if (!/^[a-z0-9_]+(\.test|\.test_support)?\.ts$/.test(name))
      breaches.push({ file: file.path, line: 1, rule: "file names are snake_case" });
    if (/(^|_)(utils?|manager|helpers?)\.ts$/.test(name))
      breaches.push({ file: file.path, line: 1, rule: "a name that says nothing: name what it holds" });
    if (!isTest(file.path) && !mayDoIo.some((allowed) => allowed.test(file.path))) {
      for (const [pattern, what] of effects) {
        const match = pattern.exec(file.bare);
        if (match)
          breaches.push({
            file: file.path,
            line: lineAt(file.bare, match.index),
            rule: `${what} is an effect: ask env`,
          });
      }
    }
  }

  for (const circle of circles(graph))
    breaches.push({ file: circle[0] ?? "", line: 1, rule: `imports in a circle: ${circle.join(" -> ")}` });
  for (const { path } of files) {
    const reachable = imported.has(path) || isTest(path) || entryPoints.some((entry) => entry.test(path));
    // The simulator's scenarios are tests; its parts count as used when a test uses them.
    const usedByTest =
      path.startsWith("src/sim/") &&
      files.some((file) => file.imports.some((i) => i.specifier.endsWith(path.slice(path.lastIndexOf("/") + 1))));
    if (!reachable && !usedByTest) breaches.push({ file: path, line: 1, rule: "nobody imports this file" });
  }

  const all = byPath.get("src/kinds/all.ts");
  for (const file of files) {
    if (!file.path.startsWith("src/kinds/") || isTest(file.path) || file.path === "src/kinds/kind.ts") continue;
    for (const match of file.bare.matchAll(/export const (\w+Kind)\b[^=]*= defineKind\b/g)) {
      const kind = match[1] ?? "";
      if (all !== undefined && !new RegExp(`\\b${kind}\\b`).test(all.bare))
        breaches.push({
          file: file.path,
          line: lineAt(file.bare, match.index),
          rule: `${kind} is not in src/kinds/all.ts`,
        });
    }
  }
  return breaches.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

export function readSources(root: string): SourceFile[] {
  return readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => relative(root, join(root, "src", name)))
    .sort()
    .map((path) => parse(path, readFileSync(join(root, path), "utf8")));
}

interface LockedPackage {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/**
 * package-lock.json against package.json: each dependency in one exact version, the same in both, and nothing locked that
 * nobody needs. `npm ci` passes such a package over, and then every script would take the packages for not installed.
 */
export function checkLock(
  manifest: Pick<LockedPackage, "dependencies" | "devDependencies">,
  lock: { readonly packages: Readonly<Record<string, LockedPackage>> },
): Breach[] {
  const breaches: Breach[] = [];
  const breach = (file: string, rule: string) => breaches.push({ file, line: 1, rule });
  const root = lock.packages[""];
  for (const field of ["dependencies", "devDependencies"] as const) {
    const wanted = manifest[field] ?? {};
    const locked = root?.[field] ?? {};
    for (const [name, version] of Object.entries(wanted)) {
      if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
        breach("package.json", `${name} "${version}" is not one exact version`);
      if (locked[name] !== version || lock.packages[`node_modules/${name}`]?.version !== version)
        breach("package-lock.json", `${name} ${version} of package.json is not locked: run npm install`);
    }
    for (const name of Object.keys(locked))
      if (wanted[name] === undefined) breach("package-lock.json", `${name} is not in package.json: run npm install`);
  }
  const needed = new Set<string>();
  /** As node looks a package up: in the dependant's own folder, then in those above it. */
  const need = (from: string, name: string) => {
    for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
      const path = `${folder === "" ? "" : `${folder}/`}node_modules/${name}`;
      const found = lock.packages[path];
      if (found !== undefined) {
        if (!needed.has(path)) {
          needed.add(path);
          needs(path, found);
        }
        return;
      }
      if (folder === "") return;
    }
  };
  const needs = (path: string, of: LockedPackage) => {
    const names = { ...of.dependencies, ...of.optionalDependencies, ...of.peerDependencies };
    for (const name of Object.keys(names)) need(path, name);
  };
  needs("", { dependencies: { ...manifest.dependencies, ...manifest.devDependencies } });
  for (const path of Object.keys(lock.packages))
    if (path !== "" && !needed.has(path)) breach("package-lock.json", `${path} is locked, and nobody needs it`);
  return breaches;
}

if (import.meta.main) {
  const root = process.argv[2] ?? join(import.meta.dirname, "..");
  const files = readSources(root);
  const json = (name: string) => JSON.parse(readFileSync(join(root, name), "utf8"));
  const breaches = [...check(files), ...checkLock(json("package.json"), json("package-lock.json"))];
  for (const { file, line, rule } of breaches) console.error(`${file}:${line}: ${rule}`);
  console.error(`tidy: ${files.length} files, ${breaches.length} breaches`);
  process.exit(breaches.length > 0 ? 1 : 0);
}
