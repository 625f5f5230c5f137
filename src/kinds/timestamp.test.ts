import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  canonicalMicroTime,
  canonicalTime,
  durationMs,
  formatMicroTime,
  formatTime,
  TimeError,
  timeMs,
} from "./timestamp.ts";

describe("a time", () => {
  const cases: [string, string][] = [
    ["2026-11-23T21:44:00Z", "2026-11-23T21:44:00Z"],
    ["2026-11-23T21:44:00.987654321Z", "2026-11-23T21:44:00Z"],
    ["2026-11-23T22:44:00+01:00", "2026-11-23T21:44:00Z"],
    ["2024-02-29T23:30:00-01:00", "2024-03-01T00:30:00Z"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"],
  ];
  for (const [text, canonical] of cases)
    test(`${text} is kept as ${canonical}`, () => expect(canonicalTime(text)).toBe(canonical));

  test("of microseconds keeps six digits", () => {
    expect(canonicalMicroTime("2026-11-23T21:44:00.9876543Z")).toBe("2026-11-23T21:44:00.987654Z");
    expect(canonicalMicroTime("2026-11-23T22:44:00+01:00")).toBe("2026-11-23T21:44:00.000000Z");
  });

  test("comes back from milliseconds as it went in", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000_000 }), (ms) => {
        expect(timeMs(formatTime(ms))).toBe(Math.floor(ms / 1000) * 1000);
        expect(timeMs(formatMicroTime(ms))).toBe(ms);
        expect(canonicalMicroTime(formatMicroTime(ms))).toBe(formatMicroTime(ms));
      }),
    );
  });

  const layout = '"2006-01-02T15:04:05Z07:00"';
  const wrong: [string, string][] = [
    ["foo", `parsing time "foo" as ${layout}: cannot parse "foo" as "2006"`],
    ["", `parsing time "" as ${layout}: cannot parse "" as "2006"`],
    ["2026-11-23", `parsing time "2026-11-23" as ${layout}: cannot parse "" as "T"`],
    ["2026-11-23T21:44:00", `parsing time "2026-11-23T21:44:00" as ${layout}: cannot parse "" as "Z07:00"`],
    ["2026-02-30T00:00:00Z", 'parsing time "2026-02-30T00:00:00Z": day out of range'],
    ["2026-13-01T00:00:00Z", 'parsing time "2026-13-01T00:00:00Z": month out of range'],
    ["2026-01-01T24:00:00Z", 'parsing time "2026-01-01T24:00:00Z": hour out of range'],
    ["2026-01-01T00:00:00Zzz", 'parsing time "2026-01-01T00:00:00Zzz": extra text: "zz"'],
  ];
  for (const [text, message] of wrong)
    test(`${JSON.stringify(text)} is refused in Go's words`, () => {
      try {
        canonicalTime(text);
        expect.unreachable();
      } catch (error) {
        expect(error).toBeInstanceOf(TimeError);
        expect(String(error)).toContain(message);
      }
      expect(timeMs(text)).toBeUndefined();
    });
});

describe("a duration", () => {
  const cases: [string, number | undefined][] = [
    ["0", 0],
    ["1h30m", 5_400_000],
    ["1.5s", 1500],
    ["300ms", 300],
    ["-2m", -120_000],
    ["1h1ns", 3_600_000.000001],
    ["", undefined],
    ["5", undefined],
    ["5d", undefined],
    ["m", undefined],
  ];
  for (const [text, ms] of cases)
    test(`${JSON.stringify(text)} is ${ms} ms`, () => {
      const found = durationMs(text);
      if (ms === undefined) expect(found).toBeUndefined();
      else expect(found).toBeCloseTo(ms, 6);
    });
});
