import { type CommandUnknownOpts, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { UsageError } from "./failure.ts";

const yes = new Set(["true", "1", "t", "T", "TRUE", "True"]);
const no = new Set(["false", "0", "f", "F", "FALSE", "False"]);

/**
 * kubectl's way of writing flags in commander's: `--wait=false`, `-l=app=web`, and a flag whose value may be left out
 * (`--dry-run`) takes one only after "=". Words after "--" are not looked at.
 */
export function normaliseFlags(argv: readonly string[], command: CommandUnknownOpts): string[] {
  const words: string[] = [];
  const byName = new Map<string, Option>();
  for (const option of command.options) {
    if (option.long) byName.set(option.long, option);
    if (option.short) byName.set(option.short, option);
  }
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (word === "--") return [...words, ...argv.slice(at)];
    const equals = /^(--[^=]+|-[A-Za-z])=([\s\S]*)$/.exec(word);
    const name = equals?.[1] ?? word;
    const option = byName.get(name);
    if (option === undefined) words.push(word);
    else if (option.required) {
      if (equals) words.push(option.long ?? name, equals[2] ?? "");
      else if (at + 1 < argv.length) words.push(name, argv[++at] ?? "");
      else words.push(name);
    } else if (option.optional) {
      // Sound: our options with an optional value carry a string preset.
      words.push(`${option.long ?? name}=${equals ? equals[2] : (option.presetArg as string)}`);
    } else if (equals === null) words.push(word);
    else if (yes.has(equals[2] ?? "")) words.push(name);
    else if (no.has(equals[2] ?? "")) {
      const negated = `--no-${name.slice(2)}`;
      if (byName.has(negated)) words.push(negated);
    } else throw new UsageError(`invalid argument "${equals[2]}" for "${name}" flag: must be true or false`);
  }
  return words;
}

export function wholeNumber(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

/** Go's durations: "60s", "1m30s", "1h", "500ms"; a bare number is seconds. In milliseconds. */
export function durationMs(text: string): number {
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const unitsMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text)
    throw new InvalidArgumentError("It must be a duration such as 60s or 1m30s.");
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (unitsMs[unit ?? ""] ?? 0), 0);
}

export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

export type DryRun = "none" | "client" | "server";

export const dryRunOption = new Option(
  "--dry-run [mode]",
  'none, client (print only) or server (submit without persisting); "--dry-run" alone is client',
)
  .preset("client")
  .argParser((mode: string): DryRun => {
    if (mode === "none" || mode === "client" || mode === "server") return mode;
    throw new InvalidArgumentError("It must be none, client or server.");
  });

/** What the server does with a field that the kind does not have. */
export const validateOption = new Option(
  "--validate [mode]",
  "a field that is not known is an error (strict, true), a warning (warn) or nothing (ignore, false)",
)
  .preset("strict")
  .argParser((mode: string): string => {
    const modes: Readonly<Record<string, string>> = { strict: "Strict", true: "Strict", warn: "Warn" };
    const chosen = { ...modes, ignore: "Ignore", false: "Ignore" }[mode];
    if (chosen === undefined) throw new InvalidArgumentError("It must be strict, warn, ignore, true or false.");
    return chosen;
  });

/** kubectl has Kustomize built in; what is refused says what to do. */
export const kustomizeOption = new Option("-k, --kustomize <dir>").hideHelp().argParser((directory: string): string => {
  throw new UsageError(
    `wherry has no Kustomize: build ${directory} with kustomize or kubectl, and hand it in: kustomize build ${directory} | wherry apply -f -`,
  );
});

export const outputOption = new Option(
  "-o, --output <format>",
  "json, yaml, name, wide, jsonpath=TEMPLATE, jsonpath-as-json=TEMPLATE, custom-columns=SPEC, go-template=TEMPLATE; also jsonpath-file, custom-columns-file and go-template-file",
);

export const selectorOption = new Option(
  "-l, --selector <query>",
  "only objects with these labels: app=web,tier!=test",
);
export const fieldSelectorOption = new Option("--field-selector <query>", "only objects with these fields");
export const allNamespacesOption = new Option("-A, --all-namespaces", "in every namespace");
