import { expect, test } from "bun:test";
import { inScope } from "./scope.ts";

test("a command in a scope is the command itself, in a unit of its own that is forgotten with it", () => {
  const command = { executable: "/usr/local/bin/wherry", args: ["proxy", "--directory", "/data/proxy"] };
  const { executable, args } = inScope(command, "12-345", "/data/100%/proxy");
  expect(executable).toBe("systemd-run");
  const end = args.indexOf("--");
  expect(args.slice(end + 1)).toEqual([command.executable, ...command.args]);
  expect(args.slice(0, end)).toContain("--scope");
  expect(args.slice(0, end)).toContain("--collect");
  expect(args.slice(0, end)).toContain("--unit=wherry-proxy-12-345.scope");
  // systemd reads % as the beginning of a specifier.
  expect(args.slice(0, end)).toContain("--description=Wherry's Service proxy for /data/100%%/proxy");
});
