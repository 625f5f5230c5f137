import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  labelsText,
  matchesLabels,
  matchesMap,
  matchesSelector,
  parseLabelSelector,
  requirementsString,
  SelectorError,
  selectorString,
  selectorText,
} from "./label_selector.ts";

describe("a label selector", () => {
  const labels = { app: "web", tier: "front", rank: "7", empty: "" };
  const cases: [string, boolean][] = [
    ["", true],
    ["app=web", true],
    ["app==web", true],
    ["app=db", false],
    ["app!=db", true],
    ["app!=web", false],
    ["other!=x", true],
    ["app", true],
    ["!app", false],
    ["!other", true],
    ["other", false],
    ["app in (web, db)", true],
    ["app in (db)", false],
    ["app notin (db)", true],
    ["app notin (web,db)", false],
    ["other notin (x)", true],
    ["other in ()", false],
    ["empty in ()", true],
    ["empty=", true],
    ["app=", false],
    ["app=web,tier=front", true],
    ["app = web , tier = back", false],
    ["rank>6", true],
    ["rank>7", false],
    ["rank<10", true],
    ["app>1", false],
    ["in=x", false],
    ["!in", true],
    ["constructor", false],
  ];
  for (const [text, matches] of cases)
    test(`${JSON.stringify(text)} ${matches ? "matches" : "does not match"}`, () => {
      const requirements = parseLabelSelector(text);
      expect(matchesLabels(requirements, labels)).toBe(matches);
      expect(matchesLabels(parseLabelSelector(requirementsString(requirements)), labels)).toBe(matches);
    });

  const wrong: [string, string][] = [
    ["a=b=c", "unable to parse requirement: found '=', expected: ',' or 'end of string'"],
    ["a=b,", "unable to parse requirement: found '', expected: identifier after ','"],
    ["=a", "unable to parse requirement: found '=', expected: !, identifier, or 'end of string'"],
    ["a in b", "unable to parse requirement: found 'b' expected: '('"],
    ["a in (b", "unable to parse requirement: found '', expected: ',' or ')'"],
    ["a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ["!", "unable to parse requirement: found '', expected: identifier"],
  ];
  for (const [text, message] of wrong)
    test(`${JSON.stringify(text)} is refused`, () =>
      expect(() => parseLabelSelector(text)).toThrow(new SelectorError(message)));

  test("with a key or value that no label can have is refused", () => {
    expect(() => parseLabelSelector("a/b/c=d")).toThrow('unable to parse requirement: key: Invalid value: "a/b/c"');
    expect(() => parseLabelSelector("a=-b")).toThrow('unable to parse requirement: values[0][a]: Invalid value: "-b"');
    expect(() => parseLabelSelector("a>b")).toThrow("the value must be an integer");
  });

  test("survives being written and read again", () => {
    const word = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?$/);
    const term = fc.oneof(
      fc.tuple(word, fc.constantFrom("=", "!=", "=="), word).map((parts) => parts.join("")),
      fc
        .tuple(word, fc.constantFrom(" in ", " notin "), fc.array(word, { minLength: 1, maxLength: 3 }))
        .map(([key, operator, values]) => `${key}${operator}(${values.join(",")})`),
      word,
      word.map((key) => `!${key}`),
    );
    fc.assert(
      fc.property(fc.array(term, { maxLength: 4 }), fc.dictionary(word, word), (terms, some) => {
        const once = parseLabelSelector(terms.join(","));
        const twice = parseLabelSelector(requirementsString(once));
        expect(requirementsString(twice)).toBe(requirementsString(once));
        expect(matchesLabels(twice, some)).toBe(matchesLabels(once, some));
      }),
    );
  });
});

describe("a LabelSelector object", () => {
  const selector = {
    matchLabels: { tier: "front", app: "web" },
    matchExpressions: [
      { key: "canary", operator: "DoesNotExist" },
      { key: "zone", operator: "In", values: ["b", "a"] },
      { key: "env", operator: "NotIn", values: ["test"] },
      { key: "owner", operator: "Exists" },
    ],
  };

  test("is written in the order of its keys", () => {
    expect(selectorString(selector)).toBe("app=web,!canary,env notin (test),owner,tier=front,zone in (a,b)");
    expect(selectorText({})).toBe("<none>");
    expect(selectorText({ matchExpressions: [{ key: "a", operator: "Like" }] })).toBe("<error>");
  });

  test("matches when all of it holds", () => {
    const labels = { app: "web", tier: "front", zone: "a", owner: "me" };
    expect(matchesSelector(selector, labels)).toBe(true);
    expect(matchesSelector(selector, { ...labels, canary: "" })).toBe(false);
    expect(matchesSelector(selector, { ...labels, zone: "c" })).toBe(false);
    expect(matchesSelector(selector, { ...labels, env: "test" })).toBe(false);
  });

  test("matches everything when it is empty, and nothing when it is absent", () => {
    expect(matchesSelector({}, undefined)).toBe(true);
    expect(matchesSelector(undefined, { app: "web" })).toBe(false);
  });
});

test("a map of labels matches when each pair is there", () => {
  expect(matchesMap({ app: "web" }, { app: "web", x: "y" })).toBe(true);
  expect(matchesMap({ app: "web" }, { app: "db" })).toBe(false);
  expect(matchesMap({ app: "web" }, undefined)).toBe(false);
  expect(matchesMap({}, undefined)).toBe(true);
  expect(labelsText({ b: "2", a: "1" })).toBe("a=1,b=2");
  expect(labelsText(undefined)).toBe("<none>");
});
