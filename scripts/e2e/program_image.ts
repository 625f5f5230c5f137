import { join } from "node:path";
import { buildProgramImage } from "../test_images.ts";
import { must } from "./command.ts";
import { root } from "./node_under_test.ts";

/** Compiles a program of this folder (`drain_server`) and makes an image of it (`wherry-drain-server:latest`). */
export async function programImage(name: string): Promise<void> {
  const executable = join(root, "dist", name);
  const source = join(root, "scripts", "e2e", `${name}.ts`);
  await must(process.execPath, ["build", "--compile", "--outfile", executable, source], { timeoutMs: 120_000 });
  await buildProgramImage(`wherry-${name.replaceAll("_", "-")}:latest`, executable);
}
