/** What every ContainerRuntime must do: run against a real Docker Engine (docker.test.ts) and the simulated one. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  type ContainerConfig,
  type ContainerRuntime,
  type LogChunk,
  type ObservedContainer,
  RuntimeError,
  type RuntimeErrorCode,
  type SandboxConfig,
} from "./container_runtime.ts";

/** Programs that the runtime under test can run; a real one takes a shell's words, the simulated one its own. */
export interface Programs {
  readonly image: string;
  /** Runs until it is told to end, and then ends. */
  readonly forever: readonly string[];
  /** Runs on, whatever signal it gets short of SIGKILL. */
  readonly deaf: readonly string[];
  /** Writes `out` and `err` and ends with `code`. */
  tell(out: string, err: string, code: number): readonly string[];
  /** Copies standard input to standard output until its end. */
  readonly copy: readonly string[];
  /** Cannot be started. */
  readonly absent: readonly string[];
}

export interface RuntimeUnderTest {
  readonly runtime: ContainerRuntime;
  /** The same engine, seen by another cluster. */
  readonly stranger: ContainerRuntime;
  readonly programs: Programs;
  /** Unique in this run. */
  newUid(): string;
}

const decode = (chunks: readonly LogChunk[], stream: LogChunk["stream"]) =>
  Buffer.concat(chunks.filter((chunk) => chunk.stream === stream).map((chunk) => chunk.bytes)).toString();

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of source) all.push(one);
  return all;
}

async function codeOf(promise: Promise<unknown>): Promise<RuntimeErrorCode | "no error"> {
  try {
    await promise;
    return "no error";
  } catch (error) {
    if (error instanceof RuntimeError) return error.code;
    throw error;
  }
}

export function containerRuntimeContract(name: string, make: () => Promise<RuntimeUnderTest>): void {
  describe(`${name} keeps the contract of a container runtime`, () => {
    let under: RuntimeUnderTest;
    let pod: { namespace: string; name: string; uid: string };

    beforeEach(async () => {
      under = await make();
      pod = { namespace: "default", name: "web", uid: under.newUid() };
    });
    afterEach(async () => {
      const { sandboxes, containers } = await under.runtime.list();
      await Promise.all(containers.map(({ id }) => under.runtime.removeContainer(id)));
      await Promise.all(sandboxes.map(({ id }) => under.runtime.removePodSandbox(id)));
    });

    const sandboxConfig = (changes: Partial<SandboxConfig> = {}): SandboxConfig => ({
      pod,
      attempt: 0,
      hostname: "web",
      network: "pod",
      hostPid: false,
      hostIpc: false,
      shareProcessNamespace: false,
      podAddress: "10.42.0.7/24",
      sysctls: {},
      labels: { "example.com/kept": "yes" },
      ...changes,
    });
    const containerConfig = (changes: Partial<ContainerConfig> = {}): ContainerConfig => ({
      pod,
      name: "main",
      attempt: 0,
      image: under.programs.image,
      command: under.programs.forever,
      env: [{ name: "GREETING", value: "ahoy" }],
      mounts: [],
      stdin: false,
      stdinOnce: false,
      tty: false,
      resources: { oomScoreAdjust: 1000 },
      security: {
        privileged: false,
        supplementalGroups: [],
        readOnlyRootFilesystem: false,
        addCapabilities: [],
        dropCapabilities: [],
        noNewPrivileges: false,
      },
      labels: { "example.com/hash": "1" },
      ...changes,
    });

    async function startPod(changes: Partial<ContainerConfig> = {}): Promise<{ sandboxId: string; id: string }> {
      const sandboxId = await under.runtime.createPodSandbox(sandboxConfig());
      const [, id] = await Promise.all([
        under.runtime.startPodSandbox(sandboxId),
        under.runtime.createContainer(sandboxId, containerConfig(changes)),
      ]);
      await under.runtime.startContainer(id);
      return { sandboxId, id };
    }

    /** Lists again at each event of the runtime until the container is as wanted. */
    async function containerThat(
      id: string,
      wanted: (container: ObservedContainer) => boolean,
    ): Promise<ObservedContainer> {
      const listening = new AbortController();
      try {
        for await (const _ of under.runtime.events(listening.signal)) {
          const { containers } = await under.runtime.list();
          const found = containers.find((container) => container.id === id);
          if (found && wanted(found)) return found;
        }
      } finally {
        listening.abort();
      }
      throw new Error("the events ended");
    }

    test("a pod runs: its containers are created while its sandbox starts", async () => {
      const { sandboxId, id } = await startPod();
      const { sandboxes, containers } = await under.runtime.list();
      const [sandbox] = sandboxes;
      expect(sandbox).toMatchObject({ id: sandboxId, pod, attempt: 0, state: "running", podAddress: "10.42.0.7/24" });
      expect(sandbox?.pid).toBeGreaterThan(1);
      expect(sandbox?.labels["example.com/kept"]).toBe("yes");
      const [container] = containers;
      expect(container).toMatchObject({ id, sandboxId, pod, name: "main", attempt: 0, state: "running" });
      expect(container?.image).toBe(under.programs.image);
      expect(container?.imageId).toMatch(/^sha256:/);
      expect(container?.labels["example.com/hash"]).toBe("1");
      expect(container?.startedAtMs).toBeGreaterThanOrEqual(container?.createdAtMs ?? Number.POSITIVE_INFINITY);
    });

    test("create gives the existing one of the same name, running or not", async () => {
      const { sandboxId, id } = await startPod();
      expect(await under.runtime.createPodSandbox(sandboxConfig())).toBe(sandboxId);
      expect(await under.runtime.createContainer(sandboxId, containerConfig())).toBe(id);
      const next = await under.runtime.createContainer(sandboxId, containerConfig({ attempt: 1 }));
      expect(next).not.toBe(id);
    });

    test("create replaces one of the same name with another address, or in another sandbox", async () => {
      const before = await under.runtime.createPodSandbox(sandboxConfig());
      const joined = await under.runtime.createContainer(before, containerConfig());
      const after = await under.runtime.createPodSandbox(sandboxConfig({ podAddress: "10.42.0.8/24" }));
      expect(after).not.toBe(before);
      const moved = await under.runtime.createContainer(after, containerConfig());
      expect(moved).not.toBe(joined);
      const { sandboxes, containers } = await under.runtime.list();
      expect(sandboxes).toMatchObject([{ id: after, podAddress: "10.42.0.8/24" }]);
      expect(containers).toMatchObject([{ id: moved, sandboxId: after }]);
    });

    test("a container that ends keeps its exit code and its output, by stream", async () => {
      const { id } = await startPod({ command: under.programs.tell("to out", "to err", 3) });
      const ended = await containerThat(id, (container) => container.state === "exited");
      expect(ended).toMatchObject({ exitCode: 3, oomKilled: false });
      expect(ended.finishedAtMs).toBeGreaterThanOrEqual(ended.startedAtMs ?? Number.POSITIVE_INFINITY);
      const options = { follow: false, timestamps: false, stdout: true, stderr: true };
      const chunks = await collect(await under.runtime.logs(id, options, new AbortController().signal));
      expect(decode(chunks, "stdout")).toBe("to out\n");
      expect(decode(chunks, "stderr")).toBe("to err\n");
      const onlyErr = await collect(
        await under.runtime.logs(id, { ...options, stdout: false }, new AbortController().signal),
      );
      expect(decode(onlyErr, "stdout")).toBe("");
      expect(decode(onlyErr, "stderr")).toBe("to err\n");
    });

    test("followed logs end when the container does, and when the reader lets go", async () => {
      const options = { follow: true, timestamps: false, stdout: true, stderr: true };
      const { sandboxId, id } = await startPod();
      const ends = collect(await under.runtime.logs(id, options, new AbortController().signal));
      const letGo = new AbortController();
      const cut = collect(await under.runtime.logs(id, options, letGo.signal));
      letGo.abort();
      expect(await cut).toEqual([]);
      await under.runtime.stopContainer(id, 5);
      expect(await ends).toEqual([]);
      await under.runtime.stopPodSandbox(sandboxId);
    });

    test("stop asks first, kills after the grace period, and what has stopped stays so", async () => {
      const { id } = await startPod();
      await under.runtime.stopContainer(id, 30);
      await under.runtime.stopContainer(id, 30);
      const polite = await containerThat(id, (container) => container.state === "exited");
      expect(polite.exitCode).not.toBe(137);
      const deaf = await under.runtime.createContainer(
        polite.sandboxId,
        containerConfig({ name: "deaf", command: under.programs.deaf }),
      );
      await under.runtime.startContainer(deaf);
      await under.runtime.stopContainer(deaf, 1);
      const killed = await containerThat(deaf, (container) => container.state === "exited");
      expect(killed.exitCode).toBe(137);
    });

    test("stopping the sandbox kills what is in it; removing is idempotent", async () => {
      const { sandboxId, id } = await startPod({ command: under.programs.deaf });
      await under.runtime.stopPodSandbox(sandboxId);
      await under.runtime.stopPodSandbox(sandboxId);
      const { sandboxes, containers } = await under.runtime.list();
      expect(sandboxes.map(({ state }) => state)).toEqual(["exited"]);
      expect(containers.map(({ state }) => state)).toEqual(["exited"]);
      await under.runtime.removeContainer(id);
      await under.runtime.removeContainer(id);
      await under.runtime.removePodSandbox(sandboxId);
      await under.runtime.removePodSandbox(sandboxId);
      expect(await under.runtime.list()).toEqual({ sandboxes: [], containers: [] });
      expect(await codeOf(under.runtime.startContainer(id))).toBe("NotFound");
    });

    test("a sandbox that never ran is created until it is removed, also after a stop", async () => {
      const sandboxId = await under.runtime.createPodSandbox(sandboxConfig());
      await under.runtime.stopPodSandbox(sandboxId);
      expect((await under.runtime.list()).sandboxes).toMatchObject([{ id: sandboxId, state: "created" }]);
      await under.runtime.removePodSandbox(sandboxId);
      expect((await under.runtime.list()).sandboxes).toEqual([]);
    });

    test("an absent image, and a program that cannot be started, are told apart", async () => {
      const sandboxId = await under.runtime.createPodSandbox(sandboxConfig());
      await under.runtime.startPodSandbox(sandboxId);
      const noImage = containerConfig({ image: "registry.invalid/absent:1" });
      expect(await codeOf(under.runtime.createContainer(sandboxId, noImage))).toBe("ImageNotFound");
      expect(await under.runtime.imageStatus("registry.invalid/absent:1")).toBeUndefined();
      expect((await under.runtime.imageStatus(under.programs.image))?.id).toMatch(/^sha256:/);
      const id = await under.runtime.createContainer(sandboxId, containerConfig({ command: under.programs.absent }));
      expect(await codeOf(under.runtime.startContainer(id))).toBe("StartFailed");
      const { containers } = await under.runtime.list();
      expect(containers[0]).toMatchObject({ id, state: "exited" });
      expect(containers[0]?.error).not.toBe("");
      expect(containers[0]?.exitCode).not.toBe(0);
    });

    test("exec gives output, exit code, and end of file to the process", async () => {
      const { id } = await startPod();
      const told = await under.runtime.exec(id, {
        command: under.programs.tell("here", "there", 7),
        stdin: false,
        tty: false,
      });
      const chunks = await collect(told.output);
      expect(decode(chunks, "stdout")).toBe("here\n");
      expect(decode(chunks, "stderr")).toBe("there\n");
      expect(await told.exitCode).toBe(7);

      const copied = await under.runtime.exec(id, { command: under.programs.copy, stdin: true, tty: false });
      await copied.writeStdin(new TextEncoder().encode("through"));
      copied.endStdin();
      expect(decode(await collect(copied.output), "stdout")).toBe("through");
      expect(await copied.exitCode).toBe(0);

      const late = await under.runtime.exec(id, {
        command: under.programs.deaf,
        stdin: false,
        tty: false,
        timeoutMs: 200,
      });
      const outcome = codeOf(late.exitCode);
      await collect(late.output);
      expect(await outcome).toBe("Timeout");
    });

    test("attach sees what a running container writes", async () => {
      const { id } = await startPod({ command: under.programs.copy, stdin: true });
      const stream = await under.runtime.attach(id, { stdin: true, tty: false });
      await stream.writeStdin(new TextEncoder().encode("aboard"));
      const { value } = await stream.output[Symbol.asyncIterator]().next();
      expect(value ? decode([value], "stdout") : "nothing").toBe("aboard");
      stream.close();
      const { containers } = await under.runtime.list();
      expect(containers[0]?.state).toBe("running");
    });

    test("another cluster on the same engine sees nothing of ours", async () => {
      const { sandboxId } = await startPod();
      expect(await under.stranger.list()).toEqual({ sandboxes: [], containers: [] });
      expect((await under.runtime.list()).sandboxes.map(({ id }) => id)).toEqual([sandboxId]);
    });
  });
}
