import { spawn } from "node:child_process";

/** Runs a tool of the host; resolves with its output, rejects with its words. */
export function run(command: readonly [string, ...string[]], input = ""): Promise<string> {
  const [program, ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env: { PATH: searchPath(), LC_ALL: "C" } });
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
    child.on("close", (code) => {
      if (code === 0) resolve(output);
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
