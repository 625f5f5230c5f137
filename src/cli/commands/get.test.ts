import { describe, expect, test } from "bun:test";
import { type Answer, wherry } from "../cluster.test_support.ts";

const columns = [
  { name: "Name", type: "string", format: "name", priority: 0 },
  { name: "Ready", type: "string", priority: 0 },
  { name: "Status", type: "string", priority: 0 },
  { name: "Restarts", type: "string", priority: 0 },
  { name: "Age", type: "string", priority: 0 },
  { name: "IP", type: "string", priority: 1 },
];
const row = (name: string, status: string, namespace = "default") => ({
  cells: [name, status === "Running" ? "1/1" : "0/1", status, "0", "5m", "10.42.0.2"],
  object: { kind: "PartialObjectMetadata", metadata: { name, namespace, labels: { app: name } } },
});
const table = (...rows: object[]) => ({
  kind: "Table",
  apiVersion: "meta.k8s.io/v1",
  metadata: { resourceVersion: "7" },
  columnDefinitions: columns,
  rows,
});
const pods: Answer = ({ path }) =>
  path.startsWith("/api/v1/namespaces/default/pods?")
    ? table(row("web", "Running"), row("a-longer-name", "Pending"))
    : undefined;

describe("get", () => {
  test("prints the server's table as kubectl does, and asks for one", async () => {
    const { code, out, requests } = await wherry(["get", "pods"], { answer: pods });
    expect(out).toBe(
      [
        "NAME            READY   STATUS    RESTARTS   AGE",
        "web             1/1     Running   0          5m",
        "a-longer-name   0/1     Pending   0          5m",
        "",
      ].join("\n"),
    );
    expect(code).toBe(0);
    expect(requests[0]?.headers.get("accept")).toStartWith("application/json;as=Table;v=v1;g=meta.k8s.io,");
  });

  test("-o wide shows the columns of priority 1, --show-labels and -L the labels, --no-headers no titles", async () => {
    expect((await wherry(["get", "po", "-o", "wide"], { answer: pods })).out).toContain("AGE   IP\nweb ");
    expect((await wherry(["get", "po", "--show-labels"], { answer: pods })).out).toContain("5m    app=web\n");
    expect((await wherry(["get", "po", "-L", "app"], { answer: pods })).out).toContain("AGE   APP\n");
    expect((await wherry(["get", "po", "--no-headers"], { answer: pods })).out).toStartWith("web ");
  });

  test("-A adds the namespace", async () => {
    const answer: Answer = ({ path }) =>
      path.startsWith("/api/v1/pods?") ? table(row("web", "Running", "harbour")) : undefined;
    expect((await wherry(["get", "pods", "-A"], { answer })).out).toBe(
      "NAMESPACE   NAME   READY   STATUS    RESTARTS   AGE\nharbour     web    1/1     Running   0          5m\n",
    );
  });

  test("two types are two tables, each name with its type", async () => {
    const answer: Answer = ({ path }) => table(row(path.includes("pods") ? "one" : "two", "Running"));
    expect((await wherry(["get", "pods,deployments"], { answer })).out).toBe(
      [
        "NAME      READY   STATUS    RESTARTS   AGE",
        "pod/one   1/1     Running   0          5m",
        "",
        "NAME                  READY   STATUS    RESTARTS   AGE",
        "deployment.apps/two   1/1     Running   0          5m",
        "",
      ].join("\n"),
    );
  });

  test("nothing found is told on standard error, and is no failure", async () => {
    const answer = () => table();
    expect(await wherry(["get", "pods"], { answer })).toMatchObject({
      code: 0,
      out: "",
      err: "No resources found in default namespace.\n",
    });
    expect((await wherry(["get", "pods", "-A"], { answer })).err).toBe("No resources found\n");
    expect((await wherry(["get", "nodes"], { answer })).err).toBe("No resources found\n");
  });

  test("an absent object fails with the server's word; those that are there are shown", async () => {
    const answer: Answer = ({ path }) => (path.endsWith("/pods/web") ? table(row("web", "Running")) : undefined);
    expect(await wherry(["get", "pod", "nobody"], { answer })).toMatchObject({
      code: 1,
      out: "",
      err: 'Error from server (NotFound): pods "nobody" not found\n',
    });
    const both = await wherry(["get", "pod", "web", "nobody"], { answer });
    expect(both.code).toBe(1);
    expect(both.out).toContain("web    1/1");
    expect(await wherry(["get", "pod", "nobody", "--ignore-not-found"], { answer })).toMatchObject({
      code: 0,
      err: "",
    });
  });

  test("pages are followed to the end", async () => {
    const answer: Answer = ({ path }) =>
      path.includes("continue=more")
        ? table(row("second", "Running"))
        : { ...table(row("first", "Running")), metadata: { continue: "more" } };
    const { out } = await wherry(["get", "pods"], { answer });
    expect(out.split("\n").map((line) => line.split(" ")[0])).toEqual(["NAME", "first", "second", ""]);
  });

  test("control characters in a cell cannot move the cursor", async () => {
    const evil = { cells: ["web\u001b[2J", "1/1\nfake   row", "Running", "0", "5m", ""], object: {} };
    const { out } = await wherry(["get", "pods"], { answer: () => table(evil) });
    expect(out.split("\n")[1]).toBe("web[2J   1/1...   Running   0          5m");
  });

  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "web", managedFields: [{}] }, spec: { text: "a<b" } };

  test("-o json, yaml, name, jsonpath, custom-columns and --template of one object", async () => {
    const get = async (...flags: string[]) =>
      (await wherry(["get", "pod", "web", ...flags], { answer: () => pod })).out;
    expect(await get("-o", "json")).toBe(
      '{\n    "apiVersion": "v1",\n    "kind": "Pod",\n    "metadata": {\n        "name": "web"\n    },\n    "spec": {\n        "text": "a\\u003cb"\n    }\n}\n',
    );
    expect(await get("-o", "yaml")).toBe("apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  text: a<b\n");
    expect(await get("-oname")).toBe("pod/web\n");
    expect(await get("-o=jsonpath={.metadata.name}")).toBe("web");
    expect(await get("-o", "custom-columns=NAME:.metadata.name,NONE:.spec.none")).toBe("NAME   NONE\nweb    <none>\n");
    expect(await get("--template={{.metadata.name}}")).toBe("web");
    expect(await get("-o", "json", "--show-managed-fields")).toContain("managedFields");
  });

  test("custom columns obey --no-headers; columns, JSONPath and Go templates come from files too", async () => {
    const files = {
      "/home/me/cols": "NAME            TEXT\nmetadata.name   spec.text\n",
      "/home/me/t": "{{.kind}} {{len .spec}}\n",
    };
    const get = async (...flags: string[]) => wherry(["get", "pod", "web", ...flags], { answer: () => pod, files });
    expect((await get("-o", "custom-columns=N:.metadata.name", "--no-headers")).out).toBe("web\n");
    expect((await get("-o", "custom-columns-file=cols")).out).toBe("NAME   TEXT\nweb    a<b\n");
    expect((await get("-o", "go-template-file=t")).out).toBe("Pod 1\n");
    expect((await get("-o", "jsonpath-as-json={.metadata.name}{.spec}")).out).toBe(
      '[\n    "web",\n    {\n        "text": "a\\u003cb"\n    }\n]\n',
    );
    expect(await get("-o", "go-template-file=none")).toMatchObject({
      code: 1,
      err: "error: error reading /home/me/none: no such file or directory\n",
    });
  });

  test("--raw prints what the server answers, and takes the query along", async () => {
    const answer: Answer = ({ path }) => (path === "/readyz?verbose=" ? new Response("[+]ping ok\n") : undefined);
    expect(await wherry(["get", "--raw", "/readyz?verbose"], { answer })).toMatchObject({
      code: 0,
      out: "[+]ping ok\n",
    });
    expect((await wherry(["get", "--raw", "readyz"], { answer })).code).toBe(2);
  });

  test("a list is a List, even with one item", async () => {
    const { out } = await wherry(["get", "pods", "-o", "json"], {
      answer: () => ({ items: [{ metadata: { name: "web" } }] }),
    });
    expect(JSON.parse(out)).toEqual({
      apiVersion: "v1",
      kind: "List",
      metadata: { resourceVersion: "" },
      items: [{ apiVersion: "v1", kind: "Pod", metadata: { name: "web" } }],
    });
  });

  test("an unknown output format is refused with the nearest one", async () => {
    expect(await wherry(["get", "pods", "-o", "yml"])).toMatchObject({ code: 2 });
    expect((await wherry(["get", "pods", "-o", "yml"])).err).toContain('did you mean "yaml"');
  });

  test("-w goes on with each change, in the columns of the table before", async () => {
    const event = (type: string, status: string) => `${JSON.stringify({ type, object: table(row("web", status)) })}\n`;
    const answer: Answer = ({ path }) =>
      path.includes("watch=true")
        ? new Response(event("MODIFIED", "Error") + event("DELETED", "Error"))
        : table(row("web", "Running"));
    const { out, requests } = await wherry(["get", "pods", "-w"], { answer });
    expect(out).toBe(
      [
        "NAME   READY   STATUS    RESTARTS   AGE",
        "web    1/1     Running   0          5m",
        "web    0/1     Error     0          5m",
        "web    0/1     Error     0          5m",
        "",
      ].join("\n"),
    );
    expect(requests[1]?.path).toBe("/api/v1/namespaces/default/pods?resourceVersion=7&watch=true");
  });

  test("colours are for terminals only", async () => {
    expect((await wherry(["get", "pods"], { answer: pods, terminal: true })).out).toContain(
      "\u001b[32mRunning\u001b[0m",
    );
    expect((await wherry(["get", "pods"], { answer: pods })).out).not.toContain("\u001b");
  });
});
