import { spawn } from "node:child_process";

/** States are carried out one after the other: a tool that hangs would hold up all that follow. */
const limitMs = 30_000;

/** Runs a tool of the host; resolves with its output, rejects with its words, or when it takes longer than 30 s. */
export function run(command: readonly [string, ...string[]], input = "", timeout = limitMs): Promise<string> {
  const [program, ...args] = command;
  return new Promise((resolve, reject) => {
    const env = { PATH: searchPath(), LC_ALL: "C" };
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env, timeout, killSignal: "SIGKILL" });
    let output = "";
    let complaint = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.stderr.on("data", (chunk) => {
      complaint += chunk;
    });
    child.stdin.on("error", () => {});
    child.on("error", (error) => reject(toolError(program, error)));
    child.on("close", (code, signal) => {
      if (code === 0) resolve(output);
      else if (code === null)
        reject(new Error(`${command.join(" ")} was ended by ${signal}; it may take ${timeout / 1000} s at most`));
      else reject(new Error(`${command.join(" ")} failed with exit code ${code}: ${complaint.trim().slice(0, 2000)}`));
    });
    child.stdin.end(input);
  });
}

function toolError(program: string, cause: Error): Error {
  const absent = "code" in cause && cause.code === "ENOENT";
  const advice = absent ? `: it is not installed (package ${program === "ip" ? "iproute2" : "nftables"})` : "";
  return new Error(`Cannot run ${program}${advice}`, { cause });
}

/** A service's PATH often lacks the sbin folders. */
function searchPath(): string {
  return `${process.env.PATH ?? "/usr/bin:/bin"}:/usr/local/sbin:/usr/sbin:/sbin`;
}
