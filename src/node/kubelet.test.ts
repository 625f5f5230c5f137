import { afterEach, describe, expect, test } from "bun:test";
import { nodeKind } from "../kinds/core/node.ts";
import { podKind } from "../kinds/core/pod.ts";
import { NodeInTest } from "./kubelet.test_support.ts";

let node: NodeInTest;
afterEach(() => node.stop());

async function started(seed = 1): Promise<NodeInTest> {
  node = new NodeInTest(seed);
  node.start();
  await node.until(() => node.nodeReady(), "a ready node");
  return node;
}

const ready = () => node.kubelet?.ready ?? Promise.reject(new Error("no kubelet was started"));
const web = { name: "web", image: "nginx" };
const telling = (...words: string[]) => ({ name: "main", image: "busybox", command: ["sim", ...words] });

describe("a pod that is bound to the node", () => {
  test("runs, is ready, has an address, and what happened is told", async () => {
    await started();
    await node.createPod("web", { containers: [web] });
    const before = node.clock.monotonicMs();
    await node.until(() => node.isReady("web"), "a ready pod");
    // Sandbox and container, the rest overlapped: not more than the time of two starts.
    expect(node.clock.monotonicMs() - before).toBeLessThan(350);
    const status = node.pod("web")?.status;
    expect(status?.phase).toBe("Running");
    expect(status?.podIP).toBe("10.42.0.2");
    expect(status?.hostIP).toBe("192.0.2.7");
    expect(status?.containerStatuses?.[0]).toMatchObject({
      name: "web",
      ready: true,
      started: true,
      restartCount: 0,
      image: "nginx",
    });
    expect(status?.conditions?.map(({ type, status: holds }) => `${type}=${holds}`)).toEqual([
      "PodReadyToStartContainers=True",
      "Initialized=True",
      "Ready=True",
      "ContainersReady=True",
      "PodScheduled=True",
    ]);
    await node.until(() => node.events("web").length === 3, "three events");
    expect(node.events("web")).toEqual([
      'Normal Pulled: Container image "nginx" already present on machine',
      "Normal Created: Created container: web",
      "Normal Started: Started container web",
    ]);
    expect(node.network.attached.get(node.pod("web")?.metadata.uid ?? "")).toBe("10.42.0.2/24");
  });

  test("finds its name, its address and the node's resolver in files", async () => {
    await started();
    const uid = await node.createPod("web", {
      containers: [web],
      hostAliases: [{ ip: "192.0.2.9", hostnames: ["friend"] }],
    });
    await node.until(() => node.isReady("web"), "a ready pod");
    expect(node.files.text(`/data/pods/${uid}/etc-hosts`)).toContain("10.42.0.2\tweb\n");
    expect(node.files.text(`/data/pods/${uid}/etc-hosts`)).toContain("192.0.2.9\tfriend\n");
    expect(node.files.text(`/data/pods/${uid}/resolv.conf`)).toBe("nameserver 192.0.2.53\nsearch example.com\n");
  });

  test("is left alone by a kubelet that is started again", async () => {
    await started();
    await node.createPod("web", { containers: [{ ...web, readinessProbe: { httpGet: { port: 80 } } }] });
    node.http.set("http://10.42.0.2:80/", 200);
    await node.until(() => node.isReady("web"), "a ready pod");
    const transition = node.pod("web")?.status.conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime;
    await node.stop();
    await node.clock.advance(60_000);
    node.start();
    await node.clock.advance(60_000);
    expect(node.containers()).toEqual(["web/0 running"]);
    const after = node.pod("web")?.status.conditions?.find(({ type }) => type === "Ready");
    expect(after).toMatchObject({ status: "True", lastTransitionTime: transition });
  });

  test("whose network an earlier life did not come to wire gets it before its containers start", async () => {
    await started();
    await node.createPod("web", { containers: [web] });
    await node.until(() => node.isReady("web"), "a ready pod");
    const wired = [...node.network.attached];
    expect(wired.length).toBe(1);
    // As a kill between the start of the sandbox and the wiring leaves it.
    await node.stop();
    node.network.attached.clear();
    node.engine.kill(node.containerOf("web"));
    node.start();
    await node.until(() => node.containers().includes("web/1 running"), "a second instance");
    expect([...node.network.attached]).toEqual(wired);
  });

  test("whose link is gone when a kubelet begins gets it again, and goes on running", async () => {
    await started();
    await node.createPod("web", { containers: [web] });
    await node.until(() => node.isReady("web"), "a ready pod");
    const wired = [...node.network.attached];
    // As a bridge that somebody deleted.
    await node.stop();
    node.network.attached.clear();
    node.start();
    await node.until(() => node.network.attached.size === 1, "the link");
    expect([...node.network.attached]).toEqual(wired);
    expect(node.containers()).toEqual(["web/0 running"]);
  });

  test("whose container ends is started again at once, then after pauses that grow", async () => {
    await started();
    await node.createPod("crash", { containers: [telling("sleep", "1000", "exit", "3")] });
    const starts: number[] = [];
    let attempt = -1;
    await node.until(
      () => {
        const count = node.pod("crash")?.status.containerStatuses?.[0]?.restartCount ?? -1;
        if (count > attempt) {
          attempt = count;
          starts.push(node.clock.monotonicMs());
        }
        return count === 4;
      },
      "four restarts",
      300_000,
    );
    const pauses = starts.slice(1).map((at, index) => Math.round((at - (starts[index] ?? 0)) / 1000));
    // Each run takes a second; the pauses are 0, 10, 20 and 40 seconds.
    expect(pauses).toEqual([1, 11, 21, 41]);
    const [status] = node.pod("crash")?.status.containerStatuses ?? [];
    expect(status?.lastState?.terminated).toMatchObject({ exitCode: 3, reason: "Error" });
    await node.until(
      () => node.pod("crash")?.status.containerStatuses?.[0]?.state?.waiting?.reason === "CrashLoopBackOff",
      "a crash loop",
    );
    expect(node.pod("crash")?.status.containerStatuses?.[0]?.state?.waiting?.message).toMatch(
      /^back-off 1m20s restarting failed container=main pod=crash_default\(/,
    );
    expect(node.events("crash").join("\n")).toContain(
      "Warning BackOff: Back-off restarting failed container main in pod",
    );
    // Of the ended ones only the last two are kept.
    expect(node.containers()).toEqual(["main/3 exited", "main/4 exited"]);
  });

  test("runs once when its policy is Never, and gives its address back", async () => {
    await started();
    await node.createPod("once", { restartPolicy: "Never", containers: [telling("print", "done", "exit", "0")] });
    await node.createPod("fails", { restartPolicy: "Never", containers: [telling("exit", "2")] });
    await node.until(() => node.pod("once")?.status.phase === "Succeeded", "success");
    await node.until(() => node.pod("fails")?.status.phase === "Failed", "failure");
    await node.clock.advance(5000);
    expect(node.network.attached.size).toBe(0);
    expect(node.pod("once")?.status.conditions?.find(({ type }) => type === "Ready")).toMatchObject({
      status: "False",
      reason: "PodCompleted",
    });
    expect(node.pod("once")?.status.containerStatuses?.[0]?.state?.terminated).toMatchObject({
      exitCode: 0,
      reason: "Completed",
    });
    expect(node.containers()).toEqual(["main/0 exited", "main/0 exited"]);
  });

  test("runs its init containers one after the other before the others", async () => {
    await started();
    await node.createPod("staged", {
      initContainers: [
        { name: "first", image: "busybox", command: ["sim", "sleep", "2000", "exit", "0"] },
        { name: "second", image: "busybox", command: ["sim", "exit", "0"] },
      ],
      containers: [web],
    });
    await node.until(() => node.containers().includes("first/0 running"), "the first");
    await node.clock.advance(100);
    expect(node.containers()).toEqual(["first/0 running"]);
    expect(node.pod("staged")?.status.phase).toBe("Pending");
    expect(node.pod("staged")?.status.containerStatuses?.[0]?.state?.waiting?.reason).toBe("PodInitializing");
    expect(node.condition("staged", "Initialized")).toBe("False");
    await node.until(() => node.isReady("staged"), "a ready pod");
    expect(node.containers()).toEqual(["first/0 exited", "second/0 exited", "web/0 running"]);
    expect(node.condition("staged", "Initialized")).toBe("True");
  });

  test("fails when an init container fails and nothing may be tried again", async () => {
    await started();
    await node.createPod("staged", {
      restartPolicy: "Never",
      initContainers: [{ name: "first", image: "busybox", command: ["sim", "exit", "1"] }],
      containers: [web],
    });
    await node.until(() => node.pod("staged")?.status.phase === "Failed", "failure");
    await node.clock.advance(60_000);
    expect(node.containers()).toEqual(["first/0 exited"]);
  });

  test("keeps a sidecar beside its other containers", async () => {
    await started();
    await node.createPod("side", {
      initContainers: [{ name: "helper", image: "busybox", restartPolicy: "Always" }],
      containers: [web],
    });
    await node.until(() => node.isReady("side"), "a ready pod");
    node.engine.kill(node.containerOf("helper"), 1);
    await node.until(() => node.containers().includes("helper/1 running"), "the sidecar again");
    expect(node.containers()).toContain("web/0 running");
  });

  test("is only ready while its readiness probe passes", async () => {
    await started();
    const probe = { httpGet: { path: "/ready", port: 80 }, periodSeconds: 1, failureThreshold: 2 };
    await node.createPod("web", { containers: [{ ...web, readinessProbe: probe }] });
    await node.until(() => node.pod("web")?.status.phase === "Running", "a running pod");
    await node.clock.advance(3000);
    expect(node.isReady("web")).toBe(false);
    expect(node.events("web").join("\n")).toContain(
      'Warning Unhealthy: Readiness probe failed: Get "http://10.42.0.2:80/ready": dial tcp 10.42.0.2:80: connect: connection refused',
    );
    node.http.set("http://10.42.0.2:80/ready", 204);
    await node.until(() => node.isReady("web"), "a ready pod");
    node.http.set("http://10.42.0.2:80/ready", 500);
    await node.until(() => !node.isReady("web"), "an unready pod");
    expect(node.containers()).toEqual(["web/0 running"]);
    expect(node.events("web").join("\n")).toContain("HTTP probe failed with statuscode: 500");
  });

  test("is started again when its liveness probe fails", async () => {
    await started();
    node.dialer.open.add("10.42.0.2:80");
    const probe = { tcpSocket: { port: 80 }, periodSeconds: 2, failureThreshold: 3 };
    await node.createPod("web", { containers: [{ ...web, livenessProbe: probe }] });
    await node.until(() => node.isReady("web"), "a ready pod");
    await node.clock.advance(20_000);
    expect(node.containers()).toEqual(["web/0 running"]);
    node.dialer.open.clear();
    await node.until(() => node.containers().includes("web/1 running"), "a second instance");
    expect(node.events("web").join("\n")).toContain(
      "Normal Killing: Container web failed liveness probe, will be restarted",
    );
  });

  test("waits for an image that cannot be pulled, and runs when it can", async () => {
    await started();
    await node.createPod("far", { containers: [{ name: "main", image: "registry.invalid/far:1" }] });
    const waiting = () => node.pod("far")?.status.containerStatuses?.[0]?.state?.waiting;
    await node.until(() => waiting()?.reason === "ErrImagePull", "an error");
    await node.until(() => waiting()?.reason === "ImagePullBackOff", "a pause");
    expect(waiting()?.message).toStartWith('Back-off pulling image "registry.invalid/far:1"');
    expect(node.pod("far")?.status.phase).toBe("Pending");
    node.engine.addImage("registry.invalid/far:1");
    await node.until(() => node.isReady("far"), "a ready pod");
  });

  test("with an image name that is none says so and stays", async () => {
    await started();
    await node.createPod("odd", { containers: [{ name: "main", image: "Not An Image" }] });
    await node.until(
      () => node.pod("odd")?.status.containerStatuses?.[0]?.state?.waiting?.reason === "InvalidImageName",
      "the reason",
    );
  });

  test("is not started while a ConfigMap that it needs is missing", async () => {
    await started();
    const { configMapKind } = await import("../kinds/core/config_map.ts");
    await node.createPod("needs", { containers: [{ ...web, envFrom: [{ configMapRef: { name: "settings" } }] }] });
    const waiting = () => node.pod("needs")?.status.containerStatuses?.[0]?.state?.waiting;
    await node.until(() => waiting()?.reason === "CreateContainerConfigError", "the reason");
    expect(waiting()?.message).toBe('configmap "settings" not found');
    const settings = { metadata: { name: "settings", namespace: "default" }, data: { COLOUR: "blue" } };
    await node.clock.complete(node.client.create(configMapKind, settings), 1000);
    await node.until(() => node.isReady("needs"), "a ready pod");
    const [container] = node.engine.containers.values();
    expect(container?.config.env).toContainEqual({ name: "COLOUR", value: "blue" });
  });
});

describe("the end of a pod", () => {
  const remove = (name: string, options = {}) =>
    node.clock.complete(node.client.delete(podKind, { namespace: "default", name }, options), 1000);

  test("begins when the proxy has taken its address out, and then the object goes", async () => {
    await started();
    const withdrawn = Promise.withResolvers<void>();
    const asked: string[] = [];
    node.gate = {
      withdrawn: (address) => {
        asked.push(address);
        return withdrawn.promise;
      },
    };
    await node.createPod("web", { containers: [web] });
    await node.until(() => node.isReady("web"), "a ready pod");
    await remove("web");
    await node.clock.advance(2000);
    expect(asked).toEqual(["10.42.0.2"]);
    expect(node.containers()).toEqual(["web/0 running"]);
    withdrawn.resolve();
    await node.until(() => node.pod("web") === undefined, "the end");
    await node.clock.advance(1000);
    expect(node.containers()).toEqual([]);
    expect(node.engine.sandboxes.size).toBe(0);
    expect(node.network.attached.size).toBe(0);
    expect(await node.files.list("/data/pods")).toEqual([]);
    expect(node.events("web")).toContain("Normal Killing: Stopping container web");
  });

  test("comes even if the proxy never answers", async () => {
    await started();
    node.gate = {
      withdrawn: (_, signal) =>
        new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true })),
    };
    await node.createPod("web", { containers: [web], terminationGracePeriodSeconds: 60 });
    await node.until(() => node.isReady("web"), "a ready pod");
    await remove("web", { gracePeriodSeconds: 60 });
    await node.until(() => node.pod("web") === undefined, "the end", 15_000);
  });

  test("is by SIGKILL after the grace period for a container that does not listen", async () => {
    await started();
    await node.createPod("deaf", { containers: [telling("deaf")], terminationGracePeriodSeconds: 5 });
    await node.until(() => node.isReady("deaf"), "a ready pod");
    await remove("deaf");
    await node.clock.advance(4500);
    expect(node.pod("deaf")).toBeDefined();
    await node.until(() => node.pod("deaf") === undefined, "the end", 2000);
  });

  test("is quick when it is by force, also for a pod that is already being ended", async () => {
    await started();
    for (const name of ["running", "ending"])
      await node.createPod(name, { containers: [telling("deaf")], terminationGracePeriodSeconds: 300 });
    await node.until(() => node.isReady("running") && node.isReady("ending"), "ready pods");
    await remove("ending");
    await node.clock.advance(5000);
    expect(node.containers()).toEqual(["main/0 running", "main/0 running"]);
    for (const name of ["running", "ending"]) await remove(name, { gracePeriodSeconds: 0 });
    await node.until(() => node.engine.sandboxes.size === 0 && node.containers().length === 0, "nothing", 4000);
  });

  test("comes to pods whose object is gone, also while the kubelet was away", async () => {
    await started();
    await node.createPod("web", { containers: [web] });
    await node.until(() => node.isReady("web"), "a ready pod");
    await node.stop();
    await remove("web", { gracePeriodSeconds: 0 });
    node.start();
    await node.until(() => node.containers().length === 0, "no containers");
    await node.until(() => node.engine.sandboxes.size === 0, "no sandboxes");
  });

  test("takes along what was made while the engine could not list", async () => {
    await started();
    node.engine.fail("list", 1);
    await node.createPod("web", { containers: [web] });
    await node.until(() => node.containers().includes("web/0 running"), "a running container");
    node.client.delete(podKind, { namespace: "default", name: "web" }).catch(() => undefined);
    await node.clock.advance(2000);
    node.engine.fail("list", 0);
    await node.clock.advance(60_000);
    expect(node.pod("web")).toBeUndefined();
    expect(node.containers()).toEqual([]);
    expect(node.engine.sandboxes.size).toBe(0);
  });

  test("does not touch the containers of others", async () => {
    await started();
    const stranger = node.engine.forCluster("stranger");
    const pod = { namespace: "default", name: "other", uid: "other" };
    const sandbox = stranger.createPodSandbox({
      pod,
      attempt: 0,
      hostname: "other",
      network: "pod",
      hostPid: false,
      hostIpc: false,
      shareProcessNamespace: false,
      sysctls: {},
      labels: {},
    });
    await node.clock.complete(sandbox, 1000);
    await node.clock.advance(120_000);
    expect(node.engine.sandboxes.size).toBe(1);
  });
});

describe("a machine that fails", () => {
  const idOf = (name: string) => [...node.engine.containers].find(([, { config }]) => config.name === name)?.[0] ?? "";

  test("fails a pod that is to run once when its container is removed, and does not run it again", async () => {
    await started();
    await node.createPod("once", { containers: [telling("deaf")], restartPolicy: "Never" });
    await node.until(() => node.isReady("once"), "a ready pod");
    node.engine.removeByHand(idOf("main"));
    await node.until(() => node.pod("once")?.status.phase === "Failed", "the failure");
    await node.clock.advance(120_000);
    expect(node.containers()).toEqual([]);
    expect(node.pod("once")?.status.containerStatuses?.[0]).toMatchObject({
      restartCount: 0,
      state: { terminated: { exitCode: 137, reason: "ContainerStatusUnknown" } },
    });
  });

  test("counts a restart on when a container, or the last of it, is removed", async () => {
    await started();
    await node.createPod("web", { containers: [web] });
    await node.until(() => node.isReady("web"), "a ready pod");
    node.engine.removeByHand(idOf("web"));
    await node.until(() => node.containers().includes("web/1 running"), "a second instance");
    await node.createPod("loop", { containers: [telling("exit", "3")] });
    const loop = () => node.pod("loop")?.status.containerStatuses?.[0];
    await node.until(() => loop()?.restartCount === 1 && loop()?.state?.waiting !== undefined, "a back-off");
    for (const [id, { config }] of node.engine.containers) if (config.name === "main") node.engine.removeByHand(id);
    await node.clock.advance(1000);
    expect(loop()).toMatchObject({ restartCount: 1, lastState: { terminated: { exitCode: 3 } } });
    await node.until(() => node.containers().some((line) => line.startsWith("main/2")), "the third instance", 30_000);
  });

  test("keeps the end of a pod whose containers were pruned, and runs what had ended well no more", async () => {
    await started();
    const job = { name: "job", image: "busybox", command: ["sim", "exit", "0"] };
    await node.createPod("done", { containers: [job], restartPolicy: "Never" });
    await node.createPod("half", { containers: [{ ...job, name: "part" }, web], restartPolicy: "OnFailure" });
    await node.until(() => node.pod("done")?.status.phase === "Succeeded", "the end");
    await node.until(() => node.containers().includes("part/0 exited"), "the end of a part");
    await node.clock.advance(5000);
    for (const name of ["job", "part"]) node.engine.removeByHand(idOf(name));
    await node.clock.advance(60_000);
    expect(node.containers()).toEqual(["web/0 running"]);
    for (const [pod, at] of [
      ["done", 0],
      ["half", 0],
    ] as const)
      expect(node.pod(pod)?.status.containerStatuses?.[at]?.state?.terminated).toMatchObject({ reason: "Completed" });
  });

  test("ends what runs on without its sandbox, so that nothing runs twice", async () => {
    await started();
    await node.createPod("web", { containers: [web] });
    await node.until(() => node.isReady("web"), "a ready pod");
    node.engine.removeByHand([...node.engine.sandboxes.keys()][0] ?? "");
    await node.until(() => node.containers().includes("web/1 running"), "a second instance");
    expect(node.containers()).toEqual(["web/0 exited", "web/1 running"]);
  });

  test("gives a pod whose sandbox died a new one, and a new address", async () => {
    await started();
    await node.createPod("web", { containers: [web] });
    await node.until(() => node.isReady("web"), "a ready pod");
    const [sandbox] = node.engine.sandboxes.keys();
    node.engine.killSandbox(sandbox ?? "");
    await node.until(() => node.containers().includes("web/1 running"), "a second instance");
    await node.until(() => node.isReady("web") && node.pod("web")?.status.podIP === "10.42.0.3", "a ready pod");
    expect(node.events("web").join("\n")).toContain("Normal SandboxChanged: Pod sandbox changed");
    expect(node.containers()).toEqual(["web/0 exited", "web/1 running"]);
  });

  test("starts every pod again when the engine was restarted", async () => {
    await started();
    for (const name of ["a", "b", "c"]) await node.createPod(name, { containers: [web] });
    await node.until(() => ["a", "b", "c"].every((name) => node.isReady(name)), "ready pods");
    node.engine.restart();
    const restarted = (name: string) => node.pod(name)?.status.containerStatuses?.[0]?.restartCount === 1;
    await node.until(
      () => ["a", "b", "c"].every((name) => restarted(name) && node.isReady(name)),
      "all of them again",
      10_000,
    );
  });

  test("wires pods whose sandboxes could not be started at first, and leaves no such sandbox", async () => {
    await started();
    await node.createPod("web", { containers: [web] });
    await node.until(() => node.isReady("web"), "a ready pod");
    // As an Engine does while it shuts down.
    node.engine.fail("start", 1);
    node.engine.restart();
    const tried = () => node.events("web").filter((line) => line.includes("FailedCreatePodSandBox")).length > 0;
    await node.until(tried, "a sandbox that does not start");
    await node.clock.advance(300_000);
    expect(node.engine.sandboxes.size).toBeLessThan(4);
    node.engine.fail("start", 0);
    await node.until(() => node.containers().includes("web/1 running"), "the pod again");
    await node.clock.advance(60_000);
    expect(node.isReady("web")).toBe(true);
    const running = [...node.engine.sandboxes.values()].filter(({ state }) => state === "running");
    expect(running.map(({ config }) => config.podAddress)).toEqual([...node.network.attached.values()]);
    expect(node.pod("web")?.status.podIP).toBe(running[0]?.config.podAddress?.split("/")[0]);
    expect([...node.engine.sandboxes.values()].filter(({ state }) => state === "created")).toEqual([]);
  });

  test("tells the address that a pod has when its sandbox came up at a second try, before the engine listed the first", async () => {
    await started();
    node.engine.fail("list", 1);
    node.engine.fail("start", 1);
    await node.createPod("web", { containers: [web] });
    await node.until(() => node.events("web").some((line) => line.includes("FailedCreatePodSandBox")), "a failed try");
    node.engine.fail("start", 0);
    await node.until(() => [...node.engine.sandboxes.values()].some(({ state }) => state === "running"), "a sandbox");
    node.engine.fail("list", 0);
    await node.until(() => node.isReady("web"), "a ready pod");
    await node.clock.advance(60_000);
    expect([...node.network.attached.values()]).toEqual([`${node.pod("web")?.status.podIP}/24`]);
  });

  test("is not ready while the engine is away, says why, and goes on when it is back", async () => {
    await started();
    await node.createPod("web", { containers: [web] });
    await node.until(() => node.isReady("web"), "a ready pod");
    node.engine.goAway();
    await node.until(() => !node.nodeReady(), "an unready node");
    const condition = node.node()?.status.conditions?.find(({ type }) => type === "Ready");
    expect(condition?.reason).toBe("KubeletNotReady");
    expect(condition?.message).toContain("container runtime is down");
    await node.createPod("later", { containers: [web] });
    await node.clock.advance(60_000);
    expect(node.isReady("web")).toBe(true);
    node.engine.comeBack();
    await node.until(() => node.nodeReady() && node.isReady("later"), "both");
    expect(node.containers()).toEqual(["web/0 running", "web/0 running"]);
  });

  test("with errors, hangs and deaths from a seed comes to rest with each pod once and ready", async () => {
    for (let seed = 1; seed <= 12; seed++) {
      await started(seed);
      const names = ["a", "b", "c", "d", "e"];
      for (const name of names) await node.createPod(name, { containers: [{ ...web, name }] });
      for (const verb of ["create", "start", "stop", "remove", "list", "image"] as const)
        node.engine.fail(verb, 0.2, "Unknown", node.random.fraction() * 500);
      for (let step = 0; step < 10; step++) {
        await node.clock.advance(node.random.fraction() * 4000);
        const running = [...node.engine.containers.values()].filter(({ state }) => state === "running");
        const victim = running[Math.floor(node.random.fraction() * running.length)];
        if (victim) node.engine.kill(victim.id);
        const sandboxes = [...node.engine.sandboxes.keys()];
        if (node.random.fraction() < 0.3)
          node.engine.killSandbox(sandboxes[Math.floor(node.random.fraction() * sandboxes.length)] ?? "");
        if (node.random.fraction() < 0.2) {
          await node.stop();
          node.start();
        }
      }
      for (const verb of ["create", "start", "stop", "remove", "list", "image"] as const) node.engine.fail(verb, 0);
      await node.until(() => names.every((name) => node.isReady(name)), `ready pods with seed ${seed}`, 900_000);
      await node.clock.advance(60_000);
      const running = node.containers().filter((line) => line.endsWith("running"));
      expect(running.map((line) => line.split("/")[0])).toEqual(names);
      const addresses = names.map((name) => node.pod(name)?.status.podIP);
      expect(new Set(addresses).size).toBe(names.length);
      if (seed < 12) await node.stop();
    }
  }, 30_000);
});

describe("the node", () => {
  test("registers itself, renews its lease, and writes little else", async () => {
    await started();
    expect(node.node()).toMatchObject({
      metadata: { name: "boat", labels: { "kubernetes.io/hostname": "boat", "kubernetes.io/arch": "amd64" } },
      spec: { podCIDR: "10.42.0.0/24" },
      status: {
        capacity: { cpu: "4", memory: "8Gi", pods: "110" },
        nodeInfo: { kubeletVersion: "v1.35.0+wherry.0.1.0", containerRuntimeVersion: "docker://0.0.0" },
      },
    });
    await node.clock.advance(5000);
    const from = node.api.calls.length;
    await node.clock.advance(600_000);
    const writes = node.api.calls.slice(from).filter((call) => !/^(get|list) /.test(call));
    const leases = writes.filter((call) => call.includes("leases"));
    expect(leases.length).toBeGreaterThanOrEqual(59);
    expect(leases.length).toBeLessThanOrEqual(61);
    expect(writes.length - leases.length).toBeLessThanOrEqual(3);
  });

  test("is Ready from its first moment, and stays so when the kubelet is started again", async () => {
    const transition = () =>
      node.node()?.status.conditions?.find(({ type, status }) => type === "Ready" && status === "True")
        ?.lastTransitionTime;
    await started();
    const first = transition();
    expect(first).toBeDefined();
    expect(node.api.calls.filter((call) => !/^(get|list|watch) /.test(call) && call.includes("nodes"))).toHaveLength(1);
    await node.stop();
    node.start();
    await node.clock.complete(ready(), 5000);
    await node.clock.advance(20_000);
    expect(transition()).toBe(first);
  });

  test("is said to be ready when its taint is gone, and not much later if nobody removes it", async () => {
    await started();
    const taints = [{ key: "node.kubernetes.io/not-ready", effect: "NoSchedule" }];
    for (const removed of [true, false]) {
      await node.stop();
      const patch = (spec: unknown) =>
        node.client.patch(nodeKind, { name: "boat" }, "application/merge-patch+json", { spec });
      await node.clock.complete(patch({ taints }), 1000);
      node.start();
      const from = node.clock.monotonicMs();
      let isReady = false;
      ready().then(() => {
        isReady = true;
      });
      await node.clock.advance(1500);
      expect(isReady).toBe(false);
      if (removed) await node.clock.complete(patch({ taints: null }), 1000);
      await node.until(() => isReady, "a node that is ready for pods", 5000);
      expect(node.clock.monotonicMs() - from).toBeLessThan(removed ? 1700 : 3500);
    }
  });

  test("gives logs of this and the last instance, and says why where there are none", async () => {
    await started();
    const uid = await node.createPod("web", { containers: [telling("print", "hello", "sleep", "5000", "exit", "1")] });
    const link = node.kubelet?.link;
    if (!link) throw new Error("no kubelet");
    const request = (more: object) => ({
      pod: { namespace: "default", name: "web", uid },
      container: "main",
      follow: false,
      previous: false,
      timestamps: false,
      ...more,
    });
    const read = async (more: object) => {
      let text = "";
      const open = link.logs(request(more), new AbortController().signal);
      for await (const bytes of await node.clock.complete(open, 1000)) text += new TextDecoder().decode(bytes);
      return text;
    };
    await node.until(() => node.isReady("web"), "a ready pod");
    expect(await read({})).toBe("hello\n");
    expect(await read({ limitBytes: 3 })).toBe("hel");
    expect(read({ previous: true })).rejects.toThrow('previous terminated container "main" in pod "web" not found');
    expect(read({ container: "none" })).rejects.toThrow("container none is not valid for pod web");
    expect(read({ pod: { namespace: "default", name: "gone", uid: "gone" } })).rejects.toMatchObject({ code: 404 });
    await node.until(() => node.containers().includes("main/1 running"), "a second instance");
    await node.clock.advance(100);
    expect(await read({ previous: true })).toBe("hello\n");
  });
});
