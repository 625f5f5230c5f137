import { describe, expect, test } from "bun:test";
import { cidrProblems, ipFamily } from "./ip.ts";
import {
  configKeyProblems,
  dns1035LabelProblems,
  dnsLabelProblems,
  dnsSubdomainProblems,
  envNameProblems,
  labelValueProblems,
  type NameCheck,
  nameProblems,
  pathSegmentProblems,
  portNameProblems,
  qualifiedNameProblems,
} from "./names.ts";

const long = (length: number) => "a".repeat(length);

const checks: [string, NameCheck, string[], string[]][] = [
  [
    "RFC 1123 label",
    dnsLabelProblems,
    ["a", "my-name", "123-abc", long(63)],
    ["", "-a", "a-", "A", "a_b", "a.b", long(64)],
  ],
  [
    "RFC 1123 subdomain",
    dnsSubdomainProblems,
    ["a", "example.com", "1.2.3.4", long(253)],
    ["", ".a", "a..b", "a.", "A.b", "a_b", long(254)],
  ],
  ["RFC 1035 label", dns1035LabelProblems, ["a", "my-name", "abc-123"], ["", "1a", "a.b", "A", long(64)]],
  ["path segment", pathSegmentProblems, ["a", "A:b", "system:x"], [".", "..", "a/b", "a%b"]],
  [
    "qualified name",
    qualifiedNameProblems,
    ["a", "MyName", "my.name", "123-abc", "example.com/Name_1", long(63)],
    ["", "/a", "a/", "a/b/c", "-a", "Example.com/a", "a b", long(64)],
  ],
  ["label value", labelValueProblems, ["", "a", "A_b.c", long(63)], ["-a", "a-", "a b", "a/b", long(64)]],
  ["port name", portNameProblems, ["http", "http-2", "8080-tcp"], ["", "80", "HTTP", "a--b", "-a", "a-", long(16)]],
  ["environment variable's name", envNameProblems, ["A", "a.b-c", "1", "a b", "{}"], ["", "a=b", "ä", "a\n"]],
  ["config key", configKeyProblems, ["a", "A_b.c-d", ".hidden"], ["", ".", "..", "..a", "a/b", "a b", long(254)]],
];
for (const [what, check, right, wrong] of checks)
  describe(`a ${what}`, () => {
    for (const value of right)
      test(`may be ${JSON.stringify(value.slice(0, 30))}`, () => expect(check(value)).toEqual([]));
    for (const value of wrong)
      test(`may not be ${JSON.stringify(value.slice(0, 30))}, ${value.length} characters`, () =>
        expect(check(value)).not.toEqual([]));
  });

describe("the texts of Kubernetes", () => {
  test("tell what a label is", () => {
    expect(dnsLabelProblems("A")).toEqual([
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    ]);
    expect(dnsLabelProblems("a.b")).toEqual(["must not contain dots"]);
    expect(dnsLabelProblems(long(64))).toEqual(["must be no more than 63 characters"]);
  });

  test("tell which part of a qualified name is wrong", () => {
    expect(qualifiedNameProblems("/a")).toEqual(["prefix part must be non-empty"]);
    expect(qualifiedNameProblems("a/")[0]).toBe("name part must be non-empty");
    expect(qualifiedNameProblems("A/b")[0]).toStartWith("prefix part a lowercase RFC 1123 subdomain must consist");
  });
});

test("a generated name's start may end in a dash", () => {
  expect(nameProblems("subdomain", "web-", true)).toEqual([]);
  expect(nameProblems("subdomain", "web-")).not.toEqual([]);
  expect(nameProblems("label1035", "1-", true)).not.toEqual([]);
});

test("IP addresses are told from what only looks like one", () => {
  for (const text of ["0.0.0.0", "10.42.0.1", "255.255.255.255"]) expect(ipFamily(text)).toBe("IPv4");
  for (const text of ["::", "::1", "2001:db8::ffff", "1:2:3:4:5:6:7:8", "::ffff:10.0.0.1", "fe80::"])
    expect(ipFamily(text)).toBe("IPv6");
  const wrong = [
    "",
    "1.2.3",
    "01.2.3.4",
    "1.2.3.256",
    "1.2.3.4.5",
    "1:2",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7:8:9",
    "g::",
  ];
  for (const text of wrong) expect(ipFamily(text)).toBeUndefined();
  expect(cidrProblems("10.42.0.0/16")).toEqual([]);
  expect(cidrProblems("2001:db8::/64")).toEqual([]);
  for (const text of ["10.42.0.0", "10.42.0.0/33", "10.42.0.0/1/2", "x/8"]) expect(cidrProblems(text)).not.toEqual([]);
});
