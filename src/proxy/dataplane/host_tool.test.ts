import { expect, test } from "bun:test";
import { run } from "./host_tool.ts";

test("a tool that hangs is ended, and the error says so", async () => {
  expect(run(["sleep", "3600"], "", 50)).rejects.toThrow("sleep 3600 was ended by SIGKILL; it may take 0.05 s at most");
  expect(await run(["cat"], "in")).toBe("in");
});
