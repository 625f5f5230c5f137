import { CommanderError, type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { BrokenPipe } from "../env/terminal.ts";
import { type Cli, type CliEnv, cliKinds, type GlobalFlags, type Session } from "./cli.ts";
import { type CommandEntry, commandTable } from "./command_table.ts";
import { ExitWith, failureText, UsageError } from "./failure.ts";
import { normaliseFlags } from "./flags.ts";
import { helpText, subcommandHelp } from "./help.ts";
import { nearestWords } from "./nearest.ts";
import { openSession } from "./session.ts";

const globalOptions = () => [
  new Option("-n, --namespace <name>", "the namespace to work in"),
  new Option("--kubeconfig <file>", "how to reach the cluster (KUBECONFIG, else that of the node on this machine)"),
  new Option("--context <name>", "the context of the kubeconfig"),
];

/** A command's words, and the rest of the command line without them. */
interface Choice {
  readonly path: readonly string[];
  readonly entry: Omit<CommandEntry, "group">;
  readonly rest: readonly string[];
}

/** Runs one command line. Resolves to the exit code: 0 done, 1 failed, 2 wrong usage, or a container's own code. */
export async function runCommandLine(argv: readonly string[], env: CliEnv): Promise<number> {
  const { terminal } = env;
  let path = "wherry";
  try {
    if (argv.length === 0 || (argv.length === 1 && ["help", "--help", "-h"].includes(argv[0] ?? ""))) {
      await terminal.write(helpText());
      return 0;
    }
    const words = argv[0] === "help" ? [...argv.slice(1), "--help"] : argv;
    const choice = choose(words);
    path = ["wherry", ...choice.path].join(" ");
    if (choice.entry.load === undefined) {
      await terminal.write(subcommandHelp(path, choice.entry));
      return choice.rest.some((word) => word === "--help" || word === "-h") ? 0 : 2;
    }
    const { define } = await choice.entry.load();
    await execute(path, define, choice, env);
    return 0;
  } catch (error) {
    return await report(error, path, env);
  }
}

async function execute(
  path: string,
  define: (cli: Cli) => CommandUnknownOpts,
  choice: Choice,
  env: CliEnv,
): Promise<void> {
  const { terminal } = env;
  const dash = choice.rest.indexOf("--");
  let session: Promise<Session> | undefined;
  let flags: GlobalFlags = {};
  const warnings: Promise<void>[] = [];
  const cli: Cli = {
    env,
    get flags() {
      return flags;
    },
    afterDash: dash < 0 ? undefined : choice.rest.slice(dash + 1),
    kinds: cliKinds,
    session: () => {
      session ??= openSession(env, flags, (text) => warnings.push(terminal.writeError(`Warning: ${text}\n`)));
      return session;
    },
    print: (line) => terminal.write(`${line}\n`),
    warn: (line) => terminal.writeError(`${line}\n`),
  };
  const command = define(cli).name(path).exitOverride().showSuggestionAfterError();
  for (const option of globalOptions()) command.addOption(option);
  let help = "";
  command.configureOutput({
    writeOut: (text) => {
      help += text;
    },
    writeErr: () => undefined,
    getOutHelpWidth: () => terminal.size()?.columns ?? 100,
  });
  command.hook("preAction", (current) => {
    const given = current.opts();
    const text = (value: unknown) => (typeof value === "string" ? value : undefined);
    flags = {
      namespace: text(given.namespace),
      kubeconfig: text(given.kubeconfig),
      context: text(given.context),
    };
  });
  try {
    // Commander counts words that are too many; the words themselves say more.
    command.allowExcessArguments().hook("preAction", ({ args, registeredArguments }) => {
      const surplus = args.slice(registeredArguments.length);
      if (surplus.length > 0 && registeredArguments.at(-1)?.variadic !== true)
        throw new UsageError(`unexpected argument "${surplus.join(" ")}"\nSee ${path} --help.`);
    });
    await command.parseAsync(normaliseFlags(choice.rest, command), { from: "user" });
  } finally {
    if (help !== "") await terminal.write(help);
    await Promise.all(warnings);
  }
}

/** Finds the command among the words, wherever flags that every command takes stand before it. */
function choose(argv: readonly string[]): Choice {
  const path: string[] = [];
  const rest: string[] = [];
  let entry: Omit<CommandEntry, "group"> | undefined;
  let table: readonly Omit<CommandEntry, "group">[] = commandTable;
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (word === "--") return finish(entry, path, [...rest, ...argv.slice(at)]);
    if (["-n", "--namespace", "--kubeconfig", "--context"].includes(word)) {
      rest.push(word, ...argv.slice(at + 1, at + 2));
      at++;
    } else if (word.startsWith("-")) {
      rest.push(word);
      // A flag of the command itself: what follows it may be its value, so no more words are looked for.
      if (entry !== undefined) return finish(entry, path, [...rest, ...argv.slice(at + 1)]);
    } else {
      const found = table.find(({ name, aliases }) => name === word || aliases?.includes(word) === true);
      if (found === undefined) {
        if (entry?.load !== undefined) return finish(entry, path, [...rest, ...argv.slice(at)]);
        throw unknownCommand(word, path, table);
      }
      entry = found;
      path.push(found.name);
      if (found.subcommands === undefined) return finish(entry, path, [...rest, ...argv.slice(at + 1)]);
      table = found.subcommands;
    }
  }
  return finish(entry, path, rest);
}

function finish(entry: Choice["entry"] | undefined, path: readonly string[], rest: readonly string[]): Choice {
  if (entry !== undefined) return { entry, path, rest };
  const flag = rest.find((word) => word.startsWith("-")) ?? "";
  throw new UsageError(`no command before ${flag === "" ? "the end" : flag}: see wherry --help`);
}

function unknownCommand(
  word: string,
  path: readonly string[],
  table: readonly { readonly name: string }[],
): UsageError {
  const names = table.map(({ name }) => name).concat(path.length === 0 ? ["up"] : []);
  const near = nearestWords(word, names);
  const hint = near.length === 0 ? "" : `\n\nDid you mean this?\n${near.map((name) => `\t${name}`).join("\n")}\n`;
  const whole = ["wherry", ...path].join(" ");
  return new UsageError(`unknown command "${word}" for "${whole}"${hint}\nSee ${whole} --help.`);
}

async function report(error: unknown, path: string, env: CliEnv): Promise<number> {
  if (error instanceof BrokenPipe) return 1;
  if (error instanceof ExitWith) return error.code;
  const say = (text: string) => env.terminal.writeError(`${text}\n`).catch(() => undefined);
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    await say(`${error.message}\nSee ${path} --help.`);
    return 2;
  }
  await say(failureText(error));
  return error instanceof UsageError ? 2 : 1;
}
