import { describe, expect, test } from "bun:test";
import { Command, Option } from "@commander-js/extra-typings";
import { dryRunOption, durationMs, normaliseFlags, outputOption } from "./flags.ts";

const command = () =>
  new Command()
    .addOption(outputOption)
    .addOption(dryRunOption)
    .addOption(new Option("--wait"))
    .option("--no-wait")
    .option("--all")
    .option("-l, --selector <query>");

describe("kubectl's way of writing flags", () => {
  const cases: readonly [words: string[], normalised: string[]][] = [
    [["--wait=false"], ["--no-wait"]],
    [
      ["--wait=true", "--all=1"],
      ["--wait", "--all"],
    ],
    [["--all=false"], []],
    [["-l=app=web"], ["--selector", "app=web"]],
    [
      ["-l", "app=web"],
      ["-l", "app=web"],
    ],
    [["--selector=app=web"], ["--selector", "app=web"]],
    [
      ["--dry-run", "pod"],
      ["--dry-run=client", "pod"],
    ],
    [
      ["--dry-run=server", "pod"],
      ["--dry-run=server", "pod"],
    ],
    [
      ["-o", "--all=x"],
      ["-o", "--all=x"],
    ],
    [
      ["a", "--", "--wait=false"],
      ["a", "--", "--wait=false"],
    ],
  ];
  for (const [words, normalised] of cases)
    test(`${words.join(" ")} is ${normalised.join(" ") || "nothing"}`, () => {
      expect(normaliseFlags(words, command())).toEqual(normalised);
    });

  test("a truth that is neither true nor false is refused", () => {
    expect(() => normaliseFlags(["--wait=maybe"], command())).toThrow('invalid argument "maybe" for "--wait" flag');
  });
});

test("durations are Go's, and bare numbers are seconds", () => {
  expect(["60s", "1m30s", "1h", "500ms", "1.5s", "7"].map(durationMs)).toEqual([
    60000, 90000, 3600000, 500, 1500, 7000,
  ]);
  for (const wrong of ["", "s", "1x", "1m 30s", "-1s"]) expect(() => durationMs(wrong)).toThrow("must be a duration");
});
