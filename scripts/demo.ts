/**
 * The main job, from nothing: installs what is missing, builds the executable, starts a node in a directory of its own, runs
 * nginx and fetches its page through the Service's virtual IP. `--down` takes everything away again; `--yes` asks nothing.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import Docker from "dockerode";
import { engineAnswers, ensureEngine, installMissing, nodePrograms } from "./engine.ts";
import { loadTestImages } from "./test_images.ts";

const root = join(import.meta.dirname, "..");
const executable = join(root, "dist", "wherry");
const directory = "/var/lib/wherry-demo";
const dataDir = join(directory, "node");
const kubeconfig = join(dataDir, "kubeconfig.yaml");
const statePath = join(directory, "demo.json");
const logPath = join(directory, "wherry.log");
const readyPath = join(directory, "ready");
const startSeconds = 60;

/** What a later `--down` must end; a start time tells a process from a later one with its number. */
interface Started {
  readonly pid: number;
  readonly startedAt: string;
}
interface State {
  readonly node?: Started;
  readonly engine?: Started;
  readonly madeImages?: boolean;
}

const { values: flags } = parseArgs({
  options: { down: { type: "boolean", default: false }, yes: { type: "boolean", short: "y", default: false } },
});

const say = (line: string) => console.log(`# ${line}`);

function startedAt(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? undefined : fields[18];
  } catch {
    return undefined;
  }
}

const lives = (started: Started | undefined): started is Started =>
  started !== undefined && startedAt(started.pid) === started.startedAt;

function readState(): State {
  return existsSync(statePath) ? JSON.parse(readFileSync(statePath, "utf8")) : {};
}

function writeState(state: State): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(statePath, `${JSON.stringify(state)}\n`, { mode: 0o600 });
}

function environment(): NodeJS.ProcessEnv {
  return { ...process.env, KUBECONFIG: kubeconfig, PATH: `${join(root, "dist")}:${process.env.PATH}` };
}

/** Shows a command as a person would type it, and what it prints; ends the demonstration when it fails. */
function step(command: string): string {
  console.log(`\n$ ${command.replaceAll("\n", "\n$ ")}`);
  const { status, stdout, stderr } = spawnSync("sh", ["-c", command], {
    encoding: "utf8",
    env: environment(),
    timeout: 180_000,
  });
  process.stdout.write(stdout + stderr);
  if (status !== 0) throw new Error(`"${command}" ended with ${status}; the node's log is ${logPath}`);
  return stdout;
}

/** Tries a command, unseen, until it succeeds, for 20 s at most; `step` then shows it, and what is wrong with it. */
async function eventually(command: string): Promise<void> {
  for (let tries = 0; tries < 40; tries++) {
    if (spawnSync("sh", ["-c", command], { env: environment(), timeout: 30_000 }).status === 0) return;
    await delay(200);
  }
}

/** As `step`, unseen. */
function quietly(...args: string[]): void {
  spawnSync(executable, args, { env: { ...process.env, KUBECONFIG: kubeconfig }, timeout: 120_000 });
}

async function agreed(question: string): Promise<boolean> {
  if (flags.yes || !process.stdin.isTTY) return true;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`${question} [Y/n] `);
  terminal.close();
  return !/^n/i.test(answer.trim());
}

function freePort(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", () =>
      port < 6543 ? resolve(freePort(port + 1)) : reject(new Error("no free port from 6443")),
    );
    probe.listen(port, "0.0.0.0", () => probe.close(() => resolve(port)));
  });
}

async function terminate({ pid, startedAt: start }: Started, seconds: number): Promise<void> {
  if (startedAt(pid) !== start) return;
  process.kill(pid, "SIGTERM");
  for (let tries = 0; tries < seconds * 10 && startedAt(pid) === start; tries++) await delay(100);
  if (startedAt(pid) === start) process.kill(pid, "SIGKILL");
}

async function prepareMachine(state: State): Promise<State> {
  if (process.getuid?.() !== 0) throw new Error("the demonstration must be run as root: it makes bridges and rules");
  if (!(await engineAnswers())) {
    say("No Docker Engine answers at /var/run/docker.sock: the distribution's docker.io is taken (and started here).");
    if (!(await agreed("Install and start it?")))
      throw new Error("nothing was done: Wherry runs containers on a Docker Engine");
  }
  installMissing({ ...nodePrograms, curl: "curl" }, say);
  const engine = await ensureEngine(say);
  if (!engine.startedHere || engine.pid === undefined) return state;
  const next = { ...state, engine: { pid: engine.pid, startedAt: startedAt(engine.pid) ?? "" } };
  writeState(next);
  return next;
}

/** nginx from a registry; where none answers, from the distribution's package. Resolves to whether images were made. */
async function prepareImages(): Promise<boolean> {
  const docker = new Docker();
  const present = await docker
    .getImage("nginx:latest")
    .inspect()
    .catch(() => undefined);
  if (present !== undefined) return false;
  say("Asking the registry for nginx.");
  const pulled = spawnSync("timeout", ["120", "docker", "pull", "-q", "nginx:latest"], { encoding: "utf8" });
  if (pulled.status === 0) return false;
  say("No registry answers: nginx is taken from the distribution's package, as a test image.");
  await loadTestImages(docker);
  return true;
}

function build(): void {
  say("Building dist/wherry.");
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "scripts", "build.ts")], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the build failed:\n${stdout}${stderr}`);
  process.stdout.write(`# ${stdout}`);
}

async function startNode(state: State): Promise<State> {
  if (lives(state.node)) {
    say("The node of an earlier run is there.");
    return state;
  }
  const port = await freePort(6443);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  console.log(`\n$ wherry up --data-dir ${dataDir} --https-listen-port ${port} &`);
  rmSync(readyPath, { force: true });
  const args = ["up", "--data-dir", dataDir, "--https-listen-port", String(port)];
  const child = spawn(executable, args, {
    detached: true,
    cwd: "/",
    stdio: ["ignore", openSync(readyPath, "w", 0o600), openSync(logPath, "a", 0o600)],
  });
  child.unref();
  const node = { pid: child.pid ?? 0, startedAt: startedAt(child.pid ?? 0) ?? "" };
  const next = { ...state, node };
  writeState(next);
  for (let tries = 0; tries < startSeconds * 20; tries++) {
    const line = readFileSync(readyPath, "utf8");
    if (line.includes("\n")) {
      process.stdout.write(line);
      return next;
    }
    if (!lives(node)) break;
    await delay(50);
  }
  const log = readFileSync(logPath, "utf8").split("\n").slice(-15).join("\n");
  throw new Error(`the node did not become ready; the end of its log ${logPath}:\n${log}`);
}

async function up(): Promise<void> {
  let state = await prepareMachine(readState());
  build();
  if (await prepareImages()) {
    state = { ...state, madeImages: true };
    writeState(state);
  }
  await startNode(state);
  // What an earlier run left, so that this one works as well.
  quietly("delete", "pod/nginx", "deployment/nginx", "service/nginx", "--ignore-not-found");

  step("wherry get nodes");
  step("wherry run nginx --image=nginx --port=80");
  step("wherry create deployment nginx --image=nginx --port=80");
  step("wherry rollout status deployment/nginx --timeout=120s");
  step("wherry get pods -o wide");
  step("docker ps --format '{{.Names}}' | grep ^k8s_");
  step("wherry expose deployment nginx --port=8080 --target-port=80");
  step("wherry get svc nginx");
  // The endpoint reaches the proxy a moment later: a person types slower than this does.
  const fetched = "curl -sS http://$(wherry get svc nginx --template={{.spec.clusterIP}}):8080/";
  await eventually(`${fetched} --max-time 1`);
  const page = step(`ip=$(wherry get svc nginx --template={{.spec.clusterIP}})\ncurl -sS http://$ip:8080/`);
  if (!page.includes("Welcome to nginx")) throw new Error("the page is not nginx's welcome page");

  console.log("");
  say("The page came through the Service's virtual IP. The node goes on running.");
  say(
    `Talk to it: export KUBECONFIG=${kubeconfig} PATH=${join(root, "dist")}:$PATH; wherry get all   Stop it: ./scripts/demo.sh --down`,
  );
}

async function down(): Promise<void> {
  const state = readState();
  if (lives(state.node)) {
    say("Stopping the node.");
    await terminate(state.node, 20);
  }
  if (existsSync(dataDir) && existsSync(executable)) {
    say("Removing its containers, networks, rules and data.");
    const { status, stdout, stderr } = spawnSync(executable, ["uninstall", "--yes", "--data-dir", dataDir], {
      encoding: "utf8",
      timeout: 180_000,
    });
    process.stdout.write((stdout + stderr).replace(/^(?=.)/gm, "# "));
    if (status !== 0) throw new Error(`wherry uninstall ended with ${status}; what is left is in ${directory}`);
  }
  if (state.madeImages === true && (await engineAnswers())) {
    const docker = new Docker();
    for (const { Id } of await docker.listImages({ filters: { label: ["wherry.test-image"] } }))
      await docker.getImage(Id).remove({ force: true });
    say("Removed the test images.");
  }
  if (lives(state.engine)) {
    say("Stopping the Docker Engine that was started here; its packages stay installed.");
    await terminate(state.engine, 30);
  }
  rmSync(directory, { recursive: true, force: true });
  say("Done: nothing of the demonstration is left running.");
}

try {
  await (flags.down ? down() : up());
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
