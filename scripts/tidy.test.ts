import { describe, expect, test } from "bun:test";
import { blank, check, checkLock, parse } from "./tidy.ts";

const rulesOf = (...files: [string, string][]) =>
  check(files.map(([path, text]) => parse(path, text))).map(({ file, rule }) => `${file}: ${rule}`);

describe("tidy", () => {
  test("finds an import against the table", () => {
    const rules = rulesOf(
      ["src/main.ts", `import "./kinds/pod.ts";`],
      ["src/kinds/pod.ts", `import { x } from "../store/store.ts";`],
      ["src/store/store.ts", "export const x = 1;"],
    );
    expect(rules).toEqual(["src/kinds/pod.ts: kinds may import nothing, not store"]);
  });

  test("finds a circle, and a file that nobody imports", () => {
    const rules = rulesOf(
      ["src/main.ts", `import "./store/a.ts";`],
      ["src/store/a.ts", `import "./b.ts";`],
      ["src/store/b.ts", `import "./a.ts";`],
      ["src/store/lonely.ts", ""],
    );
    expect(rules).toEqual([
      "src/store/a.ts: imports in a circle: src/store/a.ts -> src/store/b.ts -> src/store/a.ts",
      "src/store/lonely.ts: nobody imports this file",
    ]);
  });

  test("finds effects in code, not in comments or strings", () => {
    const rules = rulesOf(
      ["src/main.ts", `import "./store/a.ts";`],
      ["src/store/a.ts", ["// Date.now", `const a = "Date.now";`, `const b = \`\${Date.now()}\`;`].join("\n")],
    );
    expect(rules).toEqual(["src/store/a.ts: Date.now is an effect: ask env"]);
  });

  test("finds an effect under another name, through the global object, and as a statement of its own", () => {
    const effects = [
      'fetch("x");',
      'void fetch("x");',
      "const f = fetch;",
      "globalThis.setTimeout(go, 1);",
      'globalThis["fetch"]("x");',
      "const { now } = Date;",
      'Date["now"]();',
      "const a = Date();",
      "process.hrtime();",
      'Bun.file("x");',
      'require("fs");',
      'import "fs";',
    ];
    for (const effect of effects) {
      const rules = rulesOf(["src/main.ts", `import "./store/a.ts";`], ["src/store/a.ts", effect]);
      expect({ effect, breaches: rules.length }).toEqual({ effect, breaches: 1 });
    }
    const innocent = [
      "interface Client {",
      "  fetch(url: string): Promise<Response>;",
      "  readonly fetch: (url: string) => Promise<Response>;",
      "}",
      "const answer = await client.fetch(url);",
      "const at = new Date(Date.parse(text));",
    ];
    expect(rulesOf(["src/main.ts", `import "./store/a.ts";`], ["src/store/a.ts", innocent.join("\n")])).toEqual([]);
  });

  test("finds a kind that is not listed", () => {
    const rules = rulesOf(
      ["src/main.ts", `import "./kinds/all.ts"; import "./kinds/core/pod.ts"`],
      ["src/kinds/all.ts", "export const allKinds = [];"],
      ["src/kinds/core/pod.ts", "export const podKind = defineKind({});"],
    );
    expect(rules).toEqual(["src/kinds/core/pod.ts: podKind is not in src/kinds/all.ts"]);
  });

  test("the simulator and real effects stay out of what must run simulated", () => {
    const rules = rulesOf(
      ["src/main.ts", `import "./server.ts";`],
      ["src/server.ts", `import "./node/docker.ts"; import "./node/a.ts";`],
      ["src/node/docker.ts", `import "dockerode";`],
      ["src/node/a.ts", `import "node:fs"; import "../sim/clock.ts";`],
      ["src/sim/clock.ts", ""],
    );
    expect(rules).toEqual([
      "src/node/a.ts: node:fs is I/O: ask env for the effect",
      "src/node/a.ts: nothing imports the simulator",
      "src/server.ts: src/node/docker.ts does real I/O: hand it in through env",
    ]);
  });

  test("blanking keeps lines and leaves code alone", () => {
    const text = `const a = /[/]x/.test(b); // gone\nconst c = \`x\${a ? \`y\${1}\` : 2}z\`;\n`;
    const { bare } = blank(text);
    expect(bare.split("\n").length).toBe(3);
    expect(bare).toContain("const c =");
    expect(bare).not.toContain("gone");
    expect(bare).not.toContain("z");
  });

  test("finds a dependency that is not pinned, not locked, or locked and not needed", () => {
    const rules = checkLock(
      { dependencies: { kept: "1.0.0", loose: "^1.0.0", fresh: "2.0.0" } },
      {
        packages: {
          "": { dependencies: { kept: "1.0.0", loose: "^1.0.0", dropped: "1.0.0" } },
          "node_modules/kept": { version: "1.0.0", dependencies: { inner: "^1.0.0" } },
          "node_modules/kept/node_modules/inner": { version: "1.2.0", peerDependencies: { outer: "*" } },
          "node_modules/outer": { version: "3.0.0" },
          "node_modules/loose": { version: "1.5.0" },
          "node_modules/dropped": { version: "1.0.0" },
        },
      },
    ).map(({ file, rule }) => `${file}: ${rule}`);
    expect(rules).toEqual([
      'package.json: loose "^1.0.0" is not one exact version',
      "package-lock.json: loose ^1.0.0 of package.json is not locked: run npm install",
      "package-lock.json: fresh 2.0.0 of package.json is not locked: run npm install",
      "package-lock.json: dropped is not in package.json: run npm install",
      "package-lock.json: node_modules/dropped is locked, and nobody needs it",
    ]);
  });
});
