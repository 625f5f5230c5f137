import { expect, test } from "bun:test";
import { goTemplate } from "./go_template.ts";

const service = { spec: { clusterIP: "10.43.0.5", ports: [{ port: 80 }], selector: { b: "2", a: "1" } } };
const pods = {
  items: [
    { metadata: { name: "a", labels: { "app.io/x": "1" } }, status: { phase: "Running", restarts: 0 } },
    { metadata: { name: "b" }, status: { phase: "Pending", restarts: 3 } },
  ],
};

test("paths in text, as in kubectl's --template", () => {
  expect(goTemplate("{{.spec.clusterIP}}")(service)).toBe("10.43.0.5");
  expect(goTemplate('ip={{ .spec.clusterIP }}{{"\\n"}}')(service)).toBe("ip=10.43.0.5\n");
});

test("values print as Go prints them", () => {
  expect(goTemplate("{{.spec.ports}} {{.spec.selector}} {{.spec.absent}}")(service)).toBe(
    "[map[port:80]] map[a:1 b:2] <no value>",
  );
});

const examples: readonly [string, string, unknown?][] = [
  ['{{range .items}}{{.metadata.name}}{{"\\n"}}{{end}}', "a\nb\n"],
  ["{{range $i, $p := .items}}{{if $i}},{{end}}{{$p.metadata.name}}{{end}}", "a,b"],
  ["{{range $p := .items}}{{$p.status.phase}} {{len $.items}};{{end}}", "Running 2;Pending 2;"],
  ['{{range .items}}{{if eq .status.phase "Running"}}{{.metadata.name}}{{else}}-{{end}}{{end}}', "a-"],
  [
    "{{range .items}}{{if gt .status.restarts 2}}many{{else if .status.restarts}}some{{else}}none{{end}} {{end}}",
    "none many ",
  ],
  ["{{range .absent}}x{{else}}nothing{{end}}", "nothing"],
  ['{{with index .items 0}}{{index .metadata.labels "app.io/x"}}{{end}}', "1"],
  ["{{range $k, $v := .spec.selector}}{{$k}}={{$v}} {{end}}", "a=1 b=2 ", service],
  ["{{.data.pw | base64decode}}", "hunter2", { data: { pw: "aHVudGVyMg==" } }],
  ['{{printf "%-4s|%3d" .a .b}}', "x   |  7", { a: "x", b: 7 }],
  ['{{print 1 2 "a" 3}}', "1 2a3"],
  ["a {{- /* nothing */ -}} b{{- .x }}", "ab1", { x: 1 }],
  ["{{$n := len .items}}{{if and (gt $n 1) (not .absent)}}{{$n}} pods{{end}}", "2 pods"],
  ['{{$last := ""}}{{range .items}}{{$last = .metadata.name}}{{end}}{{$last}}', "b"],
  ["{{range .items}}{{.metadata.name}}{{break}}{{end}}", "a"],
  ['{{if or .absent "x"}}{{`raw }}`}}{{end}}', "raw }}"],
];
for (const [template, expected, value = pods] of examples)
  test(`${template} prints as in Go`, () => expect(goTemplate(template)(value)).toBe(expected));

test("what cannot be read is told with the action and the reason", () => {
  expect(() => goTemplate("{{range .items}}x")).toThrow("the template has a {{range}} without {{end}}");
  expect(() => goTemplate("{{.a | shout}}")).toThrow(
    'Cannot read {{.a | shout}} in the template: function "shout" not defined',
  );
  expect(() => goTemplate("{{end}}")).toThrow("nothing is open");
  expect(() => goTemplate("{{.a")).toThrow('an open {{ at "{{.a"');
  expect(() => goTemplate("{{$x}}")({})).toThrow('undefined variable "$x"');
});
