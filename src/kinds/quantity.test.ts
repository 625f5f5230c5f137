import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  integerValue,
  milliValue,
  parseQuantity,
  QuantityError,
  quantityOf,
  subtractQuantities,
  tryParseQuantity,
} from "./quantity.ts";

describe("a quantity's canonical form", () => {
  const cases: [string, string][] = [
    ["0", "0"],
    ["0Ki", "0"],
    ["-0", "0"],
    ["1", "1"],
    ["+1", "1"],
    ["100m", "100m"],
    ["1000m", "1"],
    ["0.5", "500m"],
    [".5", "500m"],
    ["5.", "5"],
    ["1.5Gi", "1536Mi"],
    ["1024Mi", "1Gi"],
    ["1000Mi", "1000Mi"],
    ["512", "512"],
    ["1024", "1024"],
    ["1Ki", "1Ki"],
    ["0.5Ki", "512"],
    ["0.5Mi", "512Ki"],
    ["10000", "10k"],
    ["1500", "1500"],
    ["1e3", "1e3"],
    ["1E3", "1e3"],
    ["1e-3", "1e-3"],
    ["12e4", "120e3"],
    ["1E", "1E"],
    ["0.1n", "1n"],
    ["-0.1n", "-1n"],
    ["1.23456789012", "1234567891n"],
    ["0.0001Ki", "102400u"],
    ["-1Gi", "-1Gi"],
    ["9Ei", "9223372036854775807"],
    ["100000000000000000000", "100E"],
  ];
  for (const [text, canonical] of cases)
    test(`of ${text} is ${canonical}`, () => expect(canonicalQuantity(text)).toBe(canonical));

  test("is the same string where the text is canonical, and parsing it changes nothing", () => {
    const suffixes = ["", "n", "u", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "e3", "e6", "E"];
    const texts = fc
      .tuple(fc.constantFrom("", "-", "+"), fc.nat(5_000_000), fc.nat(999), fc.constantFrom(...suffixes))
      .map(([sign, whole, fraction, suffix]) => `${sign}${whole}.${fraction}${suffix}`);
    fc.assert(
      fc.property(texts, (text) => {
        const canonical = canonicalQuantity(text);
        expect(parseQuantity(canonical).nanos).toBe(parseQuantity(text).nanos);
        expect(canonicalQuantity(canonical)).toBe(canonical);
        expect(formatQuantity(parseQuantity(canonical))).toBe(canonical);
      }),
    );
  });
});

describe("a text that is no quantity", () => {
  const form = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
  const cases: [string, string][] = [
    ["", form],
    ["abc", form],
    ["1.2.3", form],
    ["1 Gi", form],
    ["5X", form],
    ["Gi", "unable to parse numeric part of quantity"],
    [".", "unable to parse numeric part of quantity"],
    ["5mm", "unable to parse quantity's suffix"],
    ["5K", "unable to parse quantity's suffix"],
    ["5i", "unable to parse quantity's suffix"],
    ["1e", "unable to parse quantity's suffix"],
  ];
  for (const [text, message] of cases)
    test(`such as ${JSON.stringify(text)} is refused in Kubernetes' words`, () => {
      expect(() => parseQuantity(text)).toThrow(new QuantityError(message));
      expect(tryParseQuantity(text)).toBeUndefined();
    });
});

describe("arithmetic on quantities", () => {
  const amount = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n });

  test("is exact, however large or small the amounts are", () => {
    fc.assert(
      fc.property(amount, amount, (a, b) => {
        const [x, y] = [
          { nanos: a, format: "DecimalSI" },
          { nanos: b, format: "DecimalSI" },
        ] as const;
        expect(addQuantities(x, y).nanos).toBe(a + b);
        expect(subtractQuantities(addQuantities(x, y), y)).toEqual(x);
        expect(compareQuantities(x, y)).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
    );
  });

  test("adds what was written in different ways", () => {
    const sum = addQuantities(parseQuantity("1.5Gi"), parseQuantity("512Mi"));
    expect(formatQuantity(sum)).toBe("2Gi");
    expect(formatQuantity(addQuantities(parseQuantity("0"), parseQuantity("1Gi")))).toBe("1Gi");
    expect(formatQuantity(addQuantities(parseQuantity("100m"), parseQuantity("0.9")))).toBe("1");
  });

  test("rounds away from zero where whole or milli units are asked for", () => {
    expect(milliValue(parseQuantity("1"))).toBe(1000);
    expect(milliValue(parseQuantity("1u"))).toBe(1);
    expect(milliValue(parseQuantity("-1u"))).toBe(-1);
    expect(integerValue(parseQuantity("1.1Gi"))).toBe(1181116007);
    expect(integerValue(parseQuantity("100m"))).toBe(1);
    expect(integerValue(parseQuantity("100E"))).toBe(Number.MAX_SAFE_INTEGER);
    expect(integerValue(quantityOf(7))).toBe(7);
  });
});
