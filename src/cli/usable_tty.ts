import type { Cli } from "./cli.ts";

/** Whether a terminal that was asked for can be had: only where our own input is one. Says so when not. */
export async function usableTty(cli: Cli, quiet = false): Promise<boolean> {
  if (cli.env.terminal.inputIsTerminal) return true;
  if (!quiet) await cli.warn("Unable to use a TTY - input is not a terminal or the right kind of file");
  return false;
}
