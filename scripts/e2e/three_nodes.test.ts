/**
 * Three servers, each in a network namespace of its own with a Docker Engine of its own, on one network: they join, and are one
 * cluster to the stock kubectl.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "./command.ts";
import { EngineInNamespace, Wharf } from "./engine_in_namespace.ts";

setDefaultTimeout(180_000);

let wharf: Wharf;
const machines: EngineInNamespace[] = [];
const [first, second, third] = [0, 1, 2].map((at) => () => {
  const machine = machines[at];
  if (machine === undefined) throw new Error(`machine ${at} is not there`);
  return machine;
}) as [() => EngineInNamespace, () => EngineInNamespace, () => EngineInNamespace];

const must = async (machine: EngineInNamespace, ...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await machine.kubectl(args);
  if (code !== 0)
    throw new Error(`kubectl ${args.join(" ")} on ${machine.name} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
};

beforeAll(async () => {
  wharf = await Wharf.create("wherry-wharf");
  for (const number of [1, 2, 3])
    machines.push(await EngineInNamespace.create(`wherry-n${number}`, { address: `192.0.2.1${number}`, wharf }));
  await Promise.all(machines.map((machine) => machine.startEngine()));
  for (const machine of machines)
    for (const image of ["nginx:latest", "busybox:latest"]) await machine.importImage(image);
}, 400_000);

afterAll(async () => {
  for (const machine of machines) await machine.destroy();
  await wharf?.destroy();
}, 240_000);

describe("three servers", () => {
  test("join one after the other by a token, and each gets a vote", async () => {
    await first().startNode();
    const { stdout: token } = await first().wherry("token", "create");
    for (const machine of [second(), third()])
      await machine.startNode({ flags: ["--server", "https://192.0.2.11:6443", "--token", token.trim()] });
    await eventually("three voters", async () => {
      const { stdout } = await third().wherry("member", "list");
      return (stdout.match(/voter/g) ?? []).length === 3 && stdout.includes("tolerates the loss of 1 more");
    });
    for (const machine of machines) {
      const nodes = await must(machine, "get", "nodes");
      for (const { name } of machines) expect(nodes).toMatch(new RegExp(`^${name} +Ready `, "m"));
    }
  });

  test("a wrong token, and a token of another cluster, are refused with the reason", async () => {
    const { stdout: token } = await first().wherry("token", "create");
    const wrong = `${token.trim().slice(0, -1)}${token.trim().endsWith("a") ? "b" : "a"}`;
    const other = token.trim().replace(/^w1\.[0-9a-f]{64}/, `w1.${"0".repeat(64)}`);
    const stranger = await EngineInNamespace.create("wherry-n4", { address: "192.0.2.14", wharf });
    try {
      const join = (value: string) =>
        stranger.wherry(
          "up",
          "--data-dir",
          `${stranger.directory}/data`,
          "--server",
          "https://192.0.2.11:6443",
          "--token",
          value,
        );
      for (const [value, why] of [
        [wrong, "the token is not known"],
        [other, "it is not the cluster that the token is of"],
        ["0123456789abcdef", "not a join token"],
      ] as const) {
        const { code, stderr } = await join(value);
        expect([code, stderr]).toEqual([1, expect.stringContaining(why)]);
      }
    } finally {
      await stranger.destroy();
    }
  });

  test("a Deployment is spread over them, and its Service is reached from each", async () => {
    await must(second(), "create", "deployment", "web", "--image=nginx", "--port=80", "--replicas=6");
    await must(third(), "rollout", "status", "deployment/web", "--timeout=120s");
    const nodes = (
      await must(first(), "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.nodeName}")
    ).split(" ");
    for (const { name } of machines) expect(nodes.filter((node) => node === name).length).toBe(2);
    await must(first(), "expose", "deployment", "web", "--port=8080", "--target-port=80");
    const ip = await must(second(), "get", "svc", "web", "--template={{.spec.clusterIP}}");
    // More often than there are pods: some answers come from other nodes.
    for (const machine of machines)
      for (let times = 0; times < 12; times++)
        await eventually(`the page on ${machine.name}`, async () =>
          (await machine.inside("curl", "-sS", "--max-time", "5", `http://${ip}:8080/`)).includes("Welcome to nginx!"),
        );
    await must(first(), "run", "client", "--image=busybox", "--restart=Never", "--", "sleep", "3600");
    await must(first(), "wait", "--for=condition=Ready", "pod/client", "--timeout=60s");
    for (let times = 0; times < 6; times++)
      expect(await must(second(), "exec", "client", "--", "wget", "-q", "-O-", `http://${ip}:8080/`)).toContain(
        "Welcome to nginx!",
      );
  });

  test("logs, exec and port-forward work from any server", async () => {
    const shell = ["--image=busybox", "--restart=Never", "--", "sh", "-c", "echo ahoy; exec sleep 3600"];
    await must(first(), "run", "talker", ...shell);
    await must(first(), "wait", "--for=condition=Ready", "pod/talker", "--timeout=60s");
    const web = (await must(first(), "get", "pods", "-l", "app=web", "-o", "name")).split("\n")[0] ?? "";
    for (const machine of machines) {
      expect((await must(machine, "exec", "talker", "--", "echo", "out")).trim()).toBe("out");
      expect((await machine.kubectl(["exec", "talker", "--", "sh", "-c", "exit 7"])).code).toBe(7);
      const echoed = await machine.kubectl(["exec", "-i", "talker", "--", "cat"], "through and back");
      expect(echoed.stdout).toBe("through and back");
      expect(await must(machine, "logs", "talker")).toBe("ahoy\n");
      const missing = await machine.kubectl(["logs", "talker", "-c", "nobody"]);
      expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining("container nobody is not valid")]);
      const forward = machine.startKubectl("port-forward", web, "18080:80");
      try {
        await eventually(`the page through ${machine.name}`, async () =>
          (await machine.inside("curl", "-sS", "--max-time", "5", "http://127.0.0.1:18080/")).includes("Welcome"),
        );
      } finally {
        forward.kill("SIGTERM");
      }
    }
  });

  test("the leader is killed under writes: every acknowledged one is there, and the others go on within seconds", async () => {
    const members = JSON.parse((await second().wherry("member", "list", "-o", "json")).stdout);
    const leader: string = members.members.find(({ isLeader }: { isLeader: boolean }) => isLeader).name;
    const victim = machines.find(({ name }) => name === leader);
    const other = machines.find(({ name }) => name !== leader);
    if (victim === undefined || other === undefined) throw new Error("there are three");
    const acknowledged: string[] = [];
    let writing = true;
    let longestMs = 0;
    const writer = (async () => {
      for (let number = 0; writing; number++) {
        const from = performance.now();
        const { code } = await other.kubectl(["create", "configmap", `kept-${number}`, "--from-literal=a=b"]);
        if (code === 0) acknowledged.push(`kept-${number}`);
        longestMs = Math.max(longestMs, performance.now() - from);
      }
    })();
    await eventually("some writes", () => acknowledged.length > 5);
    await victim.stopNode("SIGKILL");
    const before = acknowledged.length;
    await eventually("writes after the leader's death", () => acknowledged.length > before + 5);
    writing = false;
    await writer;
    expect(longestMs).toBeLessThan(15_000);
    const there = new Set(
      (await must(other, "get", "configmaps", "-o", "jsonpath={.items[*].metadata.name}")).split(" "),
    );
    expect(acknowledged.filter((name) => !there.has(name))).toEqual([]);
    await eventually("the dead server's Node to be NotReady", async () => {
      return new RegExp(`^${leader} +NotReady`, "m").test(await must(other, "get", "nodes"));
    });
    expect((await other.wherry("status")).stdout).toContain("2 of 3 servers");
    await victim.startNode();
    await eventually("the server to be back", async () =>
      new RegExp(`^${leader} +Ready`, "m").test(await must(victim, "get", "nodes")),
    );
    const names = new Set(
      (await must(victim, "get", "configmaps", "-o", "jsonpath={.items[*].metadata.name}")).split(" "),
    );
    expect(acknowledged.filter((name) => !names.has(name))).toEqual([]);
  });

  test("a server that is gone for good is removed, and its Node can be deleted", async () => {
    await third().stopNode("SIGTERM");
    expect((await first().wherry("member", "remove", third().name)).stdout).toContain("removed");
    await must(first(), "delete", "node", third().name);
    expect((await first().wherry("member", "list")).stdout).not.toContain(third().name);
    await must(second(), "create", "namespace", "two-are-left");
  });
});
