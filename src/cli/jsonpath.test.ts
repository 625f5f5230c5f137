import { describe, expect, test } from "bun:test";
import { JsonPathError, jsonPath } from "./jsonpath.ts";

const list = {
  kind: "List",
  items: [
    {
      metadata: { name: "a", labels: { "app.kubernetes.io/name": "web" } },
      spec: { port: 80, ready: true },
      tags: ["x", "y", "z"],
    },
    { metadata: { name: "b" }, spec: { port: 443, ready: false }, tags: [] },
  ],
};
const render = (template: string, value: unknown = list) => jsonPath(template)(value);

describe("kubectl's JSONPath", () => {
  const cases: readonly [template: string, text: string][] = [
    ["{.kind}", "List"],
    ["{$.kind}", "List"],
    ["{kind}", "List"],
    [".kind", "List"],
    ["kind", "List"],
    ["{@.kind}", "List"],
    ["kind is {.kind}!", "kind is List!"],
    ["{.items[*].metadata.name}", "a b"],
    ["{.items[0].metadata.name}", "a"],
    ["{.items[-1].metadata.name}", "b"],
    ["{.items[0].tags[0:2]}", "x y"],
    ["{.items[0].tags[-2:]}", "y z"],
    ["{.items[0].tags[::2]}", "x z"],
    ["{.items[0].tags[0,2]}", "x z"],
    ["{.items[0]['metadata','tags']}", '{"labels":{"app.kubernetes.io/name":"web"},"name":"a"} ["x","y","z"]'],
    ["{..name}", "a b"],
    ["{.items..port}", "80 443"],
    ['{.items[?(@.metadata.name=="b")].spec.port}', "443"],
    ["{.items[?(@.spec.port>100)].metadata.name}", "b"],
    ["{.items[?(@.spec.ready==true)].metadata.name}", "a"],
    ["{.items[?(@.metadata.labels)].metadata.name}", "a"],
    ["{.items[0].metadata.labels.app\\.kubernetes\\.io/name}", "web"],
    ['{.items[0].metadata.labels["app.kubernetes.io/name"]}', "web"],
    ['{range .items[*]}{.metadata.name}{"\\t"}{.spec.port}{"\\n"}{end}', "a\t80\nb\t443\n"],
    ["{range .items[*]}{.metadata.name}:{range .tags[*]}{@},{end};{end}", "a:x,y,z,;b:;"],
    ["{.items[0].spec}", '{"port":80,"ready":true}'],
    ["{.items[*].absent}", ""],
    ["{.absent.deeper}", ""],
    ["{.kind}{' and '}{.items[0].metadata.name}", "List and a"],
  ];
  for (const [template, text] of cases)
    test(`${template} gives ${JSON.stringify(text)}`, () => {
      expect(render(template)).toBe(text);
    });

  test("a value of null prints nothing", () => {
    expect(render("<{.a}>", { a: null })).toBe("<>");
  });

  test("an index beyond the end is an error that says both", () => {
    expect(() => render("{.items[7]}")).toThrow("array index out of bounds: index 7, length 2");
  });

  for (const template of [
    "{.items[}",
    "{.items",
    "{range .items[*]}{.x}",
    "{end}",
    "{.items[?(@.a=b)]}",
    "{.items[x]}",
  ])
    test(`${template} is refused with its place`, () => {
      expect(() => render(template)).toThrow(JsonPathError);
      expect(() => render(template)).toThrow(/at character \d+/);
    });
});
