import { expect, test } from "bun:test";
import { ageOf, humanDuration } from "./human_duration.ts";

const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000];

const cases: [number, string][] = [
  [0, "0s"],
  [-1 * second, "0s"],
  [-2 * second, "<invalid>"],
  [119 * second, "119s"],
  [2 * minute, "2m"],
  [2 * minute + 5 * second, "2m5s"],
  [9 * minute + 59 * second, "9m59s"],
  [10 * minute + 30 * second, "10m"],
  [179 * minute, "179m"],
  [3 * hour, "3h"],
  [3 * hour + 5 * minute, "3h5m"],
  [8 * hour + 5 * minute, "8h"],
  [47 * hour, "47h"],
  [2 * day, "2d"],
  [2 * day + 3 * hour, "2d3h"],
  [8 * day + 3 * hour, "8d"],
  [365 * day, "365d"],
  [2 * 365 * day, "2y"],
  [2 * 365 * day + 35 * day, "2y35d"],
  [8 * 365 * day + 35 * day, "8y"],
];
for (const [ms, text] of cases) test(`${ms} ms are told as ${text}`, () => expect(humanDuration(ms)).toBe(text));

test("an age is unknown without a time", () => {
  expect(ageOf(undefined, 0)).toBe("<unknown>");
  expect(ageOf("never", 0)).toBe("<unknown>");
  expect(ageOf("2026-11-23T21:44:00Z", Date.parse("2026-11-23T21:44:05Z"))).toBe("5s");
});
