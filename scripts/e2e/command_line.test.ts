/** The walk-through again, by Wherry's own command line, which finds the node's kubeconfig as kubectl does. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { eventually, must } from "./command.ts";
import { NodeUnderTest } from "./node_under_test.ts";

setDefaultTimeout(90_000);

let node: NodeUnderTest;

beforeAll(async () => {
  node = await NodeUnderTest.start();
}, 400_000);

afterAll(async () => {
  await node?.destroy();
}, 120_000);

describe("wherry's own commands", () => {
  test("version, status and get nodes", async () => {
    expect(await node.mustWherry(["version"])).toMatch(/v1\.35\.\d+\+wherry/);
    expect(await node.mustWherry(["status"])).toContain("boat");
    expect(await node.mustWherry(["get", "nodes"])).toMatch(/^NAME +STATUS +ROLES +AGE +VERSION\nboat +Ready /);
  });

  test("run, create deployment, expose, get: the page comes through the Service", async () => {
    expect(await node.mustWherry(["run", "nginx", "--image=nginx", "--port=80"])).toBe("pod/nginx created\n");
    expect(await node.mustWherry(["create", "deployment", "nginx", "--image=nginx", "--port=80"])).toBe(
      "deployment.apps/nginx created\n",
    );
    await node.mustWherry(["rollout", "status", "deployment/nginx", "--timeout=60s"]);
    expect(await node.mustWherry(["expose", "deployment", "nginx", "--port=8080", "--target-port=80"])).toBe(
      "service/nginx exposed\n",
    );
    const ip = await node.mustWherry(["get", "svc", "nginx", "--template={{.spec.clusterIP}}"]);
    expect(await node.mustWherry(["get", "svc", "nginx", "-o", "jsonpath={.spec.clusterIP}"])).toBe(ip);
    await eventually("the welcome page", async () =>
      (await must("curl", ["-sS", "--max-time", "5", `http://${ip}:8080/`])).includes("Welcome to nginx"),
    );
  });

  test("scale, rollout history and undo, set image", async () => {
    expect(await node.mustWherry(["scale", "deployment/nginx", "--replicas=3"])).toBe("deployment.apps/nginx scaled\n");
    await node.mustWherry(["rollout", "status", "deployment/nginx", "--timeout=60s"]);
    await node.mustWherry(["set", "image", "deployment/nginx", "nginx=nginx:1.27"]);
    await node.mustWherry(["rollout", "status", "deployment/nginx", "--timeout=90s"]);
    expect(await node.mustWherry(["rollout", "history", "deployment/nginx"])).toContain("REVISION");
    await node.mustWherry(["rollout", "undo", "deployment/nginx"]);
    await node.mustWherry(["rollout", "status", "deployment/nginx", "--timeout=90s"]);
    expect(await node.mustWherry(["get", "deployment", "nginx", "-o", "jsonpath={..image}"])).toBe("nginx");
  });

  test("apply creates, configures and leaves unchanged", async () => {
    const manifest = (value: string) =>
      JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" }, data: { value } });
    const apply = (value: string) => node.mustWherry(["apply", "-f", "-"], { input: manifest(value) });
    expect(await apply("one")).toBe("configmap/settings created\n");
    expect(await apply("two")).toBe("configmap/settings configured\n");
    expect(await apply("two")).toBe("configmap/settings unchanged\n");
    // What one tool applied, the other takes over without a change.
    expect(await node.mustKubectl(["apply", "-f", "-"], { input: manifest("two") })).toBe(
      "configmap/settings unchanged\n",
    );
  });

  test("logs and exec", async () => {
    await node.mustWherry(["run", "shell", "--image=busybox", "--", "sh", "-c", "echo ahoy; sleep 3600"]);
    await eventually("the log", async () => (await node.wherry(["logs", "shell"])).stdout === "ahoy\n");
    expect((await node.wherry(["exec", "-i", "shell", "--", "cat"], { input: "back" })).stdout).toBe("back");
    expect((await node.wherry(["exec", "shell", "--", "sh", "-c", "exit 3"])).code).toBe(3);
    expect(await node.mustWherry(["describe", "pod", "shell"])).toContain("Started");
  });

  test("output as json, yaml, wide and name", async () => {
    expect(JSON.parse(await node.mustWherry(["get", "pod", "shell", "-o", "json"])).metadata.name).toBe("shell");
    expect(await node.mustWherry(["get", "pod", "shell", "-o", "yaml"])).toContain("\n  name: shell\n");
    expect(await node.mustWherry(["get", "pods", "-o", "wide"])).toMatch(/IP +NODE/);
    expect(await node.mustWherry(["get", "pod", "shell", "-o", "name"])).toBe("pod/shell\n");
  });

  test("a typo gets the nearest word and exit code 2, an absent object exit code 1", async () => {
    const command = await node.wherry(["git", "pods"]);
    expect(command.code).toBe(2);
    expect(command.stderr).toContain("get");
    const resource = await node.wherry(["get", "posd"]);
    expect(resource.stderr).toContain("pods");
    const absent = await node.wherry(["get", "pod", "nobody"]);
    expect(absent.code).toBe(1);
    expect(absent.stderr).toBe('Error from server (NotFound): pods "nobody" not found\n');
  });

  test("delete", async () => {
    expect(await node.mustWherry(["delete", "deployment", "nginx"])).toBe(
      'deployment.apps "nginx" deleted from default namespace\n',
    );
    await node.mustWherry(["delete", "pod", "nginx", "shell", "--now"]);
    await eventually("all containers to be gone", async () => (await node.dockerPs()).length === 0, 60_000);
  });
});
