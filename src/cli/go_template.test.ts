import { expect, test } from "bun:test";
import { goTemplate } from "./go_template.ts";

const service = { spec: { clusterIP: "10.43.0.5", ports: [{ port: 80 }], selector: { b: "2", a: "1" } } };

test("paths in text, as in kubectl's --template", () => {
  expect(goTemplate("{{.spec.clusterIP}}")(service)).toBe("10.43.0.5");
  expect(goTemplate('ip={{ .spec.clusterIP }}{{"\\n"}}')(service)).toBe("ip=10.43.0.5\n");
});

test("values print as Go prints them", () => {
  expect(goTemplate("{{.spec.ports}} {{.spec.selector}} {{.spec.absent}}")(service)).toBe(
    "[map[port:80]] map[a:1 b:2] <no value>",
  );
});

test("what is more than a path is refused with the way out", () => {
  expect(() => goTemplate("{{range .items}}{{.x}}{{end}}")).toThrow("use -o jsonpath");
});
