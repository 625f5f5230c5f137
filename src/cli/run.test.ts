import { describe, expect, test } from "bun:test";
import { wherry } from "./cluster.test_support.ts";

describe("the command line", () => {
  test("without a command prints what there is", async () => {
    const { code, out } = await wherry([]);
    expect(code).toBe(0);
    for (const command of ["up", "get", "apply", "exec", "rollout", "uninstall"])
      expect(out).toContain(`\n  ${command} `);
  });

  test("an unknown command gets the nearest word and exit code 2", async () => {
    const { code, err } = await wherry(["git", "pods"]);
    expect(code).toBe(2);
    expect(err).toBe('error: unknown command "git" for "wherry"\n\nDid you mean this?\n\tget\n\nSee wherry --help.\n');
  });

  test("an unknown subcommand is told within its command", async () => {
    const { code, err } = await wherry(["rollout", "staus", "deployment/web"]);
    expect(code).toBe(2);
    expect(err).toContain('unknown command "staus" for "wherry rollout"\n\nDid you mean this?\n\tstatus');
  });

  test("an unknown flag gets the nearest one and exit code 2", async () => {
    const { code, err } = await wherry(["get", "pods", "--all-namespace"]);
    expect(code).toBe(2);
    expect(err).toBe(
      "error: unknown option '--all-namespace'\n(Did you mean --all-namespaces?)\nSee wherry get --help.\n",
    );
  });

  test("an unknown resource type gets the nearest one, before any server is asked", async () => {
    const { code, err, requests } = await wherry(["get", "posd"]);
    expect(code).toBe(2);
    expect(err).toBe('error: the server doesn\'t have a resource type "posd"; did you mean "pods"?\n');
    expect(requests).toEqual([]);
  });

  test("a missing argument is wrong usage", async () => {
    const { code, err } = await wherry(["create", "namespace"]);
    expect(code).toBe(2);
    expect(err).toContain("missing required argument 'name'");
  });

  test("--help of a command shows an example and asks no server", async () => {
    const { code, out, requests } = await wherry(["expose", "--help"]);
    expect(code).toBe(0);
    expect(out).toContain("wherry expose deployment web --port=8080 --target-port=80");
    expect(requests).toEqual([]);
  });

  test("flags that every command takes may stand before the command", async () => {
    const { requests } = await wherry(["-n", "harbour", "get", "pods", "-o", "name"], {
      answer: () => ({ items: [] }),
    });
    expect(requests[0]?.path).toBe("/api/v1/namespaces/harbour/pods?limit=500");
  });

  test("the token of the kubeconfig and the name of the tool go with each request", async () => {
    const { requests } = await wherry(["get", "pods", "-o", "name"], { answer: () => ({ items: [] }) });
    expect(requests[0]?.headers.get("authorization")).toBe("Bearer secret-token");
    expect(requests[0]?.headers.get("user-agent")).toBe("wherry/0.1.0");
  });

  test("without any kubeconfig the places looked at are named", async () => {
    const { code, err } = await wherry(["get", "pods", "--kubeconfig", "/nowhere"]);
    expect(code).toBe(2);
    expect(err).toContain("/nowhere");
  });

  test("a kubeconfig that cannot be used is told with what is wrong in it", async () => {
    const withKubeconfig = async (text: string) =>
      (await wherry(["get", "pods", "--kubeconfig", "k"], { files: { "/home/me/k": text } })).err;
    expect(await withKubeconfig("a: [b")).toMatch(/^error: the kubeconfig \/home\/me\/k is not YAML: [^\n]+\d\n$/);
    expect(await withKubeconfig("apiVersion: v1")).toContain("has no current-context; it has none");
    const cluster = (ca: string) =>
      `current-context: c\ncontexts: [{name: c, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: "https://x", certificate-authority-data: ${ca}}}]\n`;
    for (const ca of ["aGk=", "%%%"])
      expect(await withKubeconfig(cluster(`"${ca}"`))).toContain("its certificate-authority-data holds no PEM");
  });

  test("a word too many is named; a group of commands shows an example", async () => {
    expect(await wherry(["status", "boat"])).toMatchObject({
      code: 2,
      err: 'error: unexpected argument "boat"\nSee wherry status --help.\n',
    });
    for (const group of [["rollout"], ["create", "secret"], ["create", "service"], ["set"], ["token"], ["member"]])
      expect((await wherry([...group, "--help"])).out).toContain(`\nExample:\n  wherry ${group.join(" ")} `);
  });

  test("a refusal is worded as kubectl words it", async () => {
    const status = {
      kind: "Status",
      status: "Failure",
      reason: "Forbidden",
      message: 'pods is forbidden: User "x"',
      code: 403,
    };
    const { code, err } = await wherry(["get", "pods"], { answer: () => Response.json(status, { status: 403 }) });
    expect(code).toBe(1);
    expect(err).toBe('Error from server (Forbidden): pods is forbidden: User "x"\n');
  });

  test("an invalid object's causes are listed, one a line", async () => {
    const status = (causes: object[]) => ({
      kind: "Status",
      status: "Failure",
      reason: "Invalid",
      message: "x",
      code: 422,
      details: { kind: "Pod", name: "web", causes },
    });
    const first = { field: "spec.containers[0].name", message: "Required value" };
    const second = { field: "metadata.name", message: "Invalid value" };
    const run = (causes: object[]) =>
      wherry(["run", "web", "--image=x"], { answer: () => Response.json(status(causes), { status: 422 }) });
    expect((await run([first])).err).toBe('The Pod "web" is invalid: spec.containers[0].name: Required value\n');
    expect((await run([first, second])).err).toBe(
      'The Pod "web" is invalid: \n* spec.containers[0].name: Required value\n* metadata.name: Invalid value\n',
    );
  });

  test("warnings of the server are passed on", async () => {
    const answer = () =>
      Response.json(
        { kind: "Pod", apiVersion: "v1", metadata: { name: "web" } },
        {
          status: 201,
          headers: { warning: '299 - "unknown field \\"spec.x\\""' },
        },
      );
    const { err } = await wherry(["run", "web", "--image=x"], { answer });
    expect(err).toBe('Warning: unknown field "spec.x"\n');
  });

  test("uninstall without a terminal wants --yes, and with it says what it does", async () => {
    const uninstall = {
      survey: async () => ["every container of its pods"],
      remove: async (node: { dataDir: string }, say: (line: string) => Promise<void>) =>
        say(`Removed ${node.dataDir}.`),
    };
    const asked = await wherry(["uninstall"], { uninstall });
    expect(asked.code).toBe(2);
    const done = await wherry(["uninstall", "--yes", "--data-dir", "boat"], { uninstall });
    expect(done).toMatchObject({ code: 0, out: "Removed /home/me/boat.\n" });
  });

  test("uninstall on a terminal removes nothing until the answer is yes", async () => {
    let removed = 0;
    const uninstall = {
      survey: async () => ["every container of its pods"],
      remove: async () => {
        removed++;
      },
    };
    const no = await wherry(["uninstall"], { uninstall, terminal: true, input: "no\n" });
    expect(no.out).toContain("every container of its pods");
    expect(no.out).toContain("Nothing was removed.");
    expect(removed).toBe(0);
    await wherry(["uninstall"], { uninstall, terminal: true, input: "yes\n" });
    expect(removed).toBe(1);
  });
});
