import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import Docker from "dockerode";
import type { Log } from "../env/log.ts";
import { realClock } from "../env/real/clock.ts";
import { type ContainerRuntime, RuntimeError } from "./container_runtime.ts";
import { containerRuntimeContract, type RuntimeUnderTest } from "./container_runtime_contract.ts";
import { createDockerRuntime } from "./docker.ts";
import { labels, type PodIdentity } from "./docker_names.ts";
import { tar } from "./image_archive.ts";

setDefaultTimeout(60_000);

const dockerHost = process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock";
const engine = new Docker();
const answers = await engine.ping().then(
  () => true,
  () => false,
);

/** What a shell says that runs as the only container of a sandbox. */
async function outputOf(runtime: ContainerRuntime, sandboxId: string, pod: PodIdentity, command: string) {
  const id = await runtime.createContainer(sandboxId, {
    pod,
    name: "main",
    attempt: 0,
    image: "busybox:latest",
    command: ["sh", "-c", command],
    env: [],
    mounts: [],
    stdin: false,
    stdinOnce: false,
    tty: false,
    resources: { oomScoreAdjust: 0 },
    security: {
      privileged: false,
      supplementalGroups: [],
      readOnlyRootFilesystem: false,
      addCapabilities: [],
      dropCapabilities: [],
      noNewPrivileges: false,
    },
    labels: {},
  });
  await runtime.startContainer(id);
  let said = "";
  const options = { follow: true, timestamps: false, stdout: true, stderr: true };
  for await (const { bytes } of await runtime.logs(id, options, new AbortController().signal))
    said += Buffer.from(bytes).toString();
  return { id, said };
}

/** A registry of one image of one empty layer, tag 1, that asks for a login. */
function registryWith(name: string, login: string) {
  const sha256 = (bytes: Uint8Array | string) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const layer = tar([{ path: "empty", type: "directory", mode: 0o755 }]);
  const packed = gzipSync(layer);
  const rootfs = { type: "layers", diff_ids: [sha256(layer)] };
  const config = JSON.stringify({ architecture: "amd64", os: "linux", config: {}, rootfs });
  const v2 = "application/vnd.docker.distribution.manifest.v2+json";
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: v2,
    config: {
      mediaType: "application/vnd.docker.container.image.v1+json",
      size: config.length,
      digest: sha256(config),
    },
    layers: [
      {
        mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip",
        size: packed.length,
        digest: sha256(packed),
      },
    ],
  });
  const answers = new Map<string, { readonly type: string; readonly body: string | Uint8Array<ArrayBuffer> }>([
    ["/v2/", { type: "application/json", body: "{}" }],
    [`/v2/${name}/blobs/${sha256(config)}`, { type: "application/octet-stream", body: config }],
    [`/v2/${name}/blobs/${sha256(packed)}`, { type: "application/octet-stream", body: new Uint8Array(packed) }],
    [`/v2/${name}/manifests/1`, { type: v2, body: manifest }],
    [`/v2/${name}/manifests/${sha256(manifest)}`, { type: v2, body: manifest }],
  ]);
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const wanted = `Basic ${Buffer.from(login).toString("base64")}`;
      if (request.headers.get("authorization") !== wanted) {
        const headers = { "www-authenticate": 'Basic realm="registry"' };
        return Response.json({ errors: [{ code: "UNAUTHORIZED", message: "log in" }] }, { status: 401, headers });
      }
      const answer = answers.get(new URL(request.url).pathname);
      if (answer === undefined)
        return Response.json({ errors: [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }] }, { status: 404 });
      const headers = { "content-type": answer.type, "docker-content-digest": sha256(answer.body) };
      return new Response(answer.body, { headers });
    },
  });
}

const log: Log = { debug() {}, info() {}, warn() {}, error() {}, with: () => log };
const uid = () => randomBytes(8).toString("hex");
const runtimeOf = (clusterUid: string, host = dockerHost) =>
  createDockerRuntime({ dockerHost: host, clusterUid, clock: realClock, log });

if (!answers) {
  test.skip(`no Docker Engine answers at ${dockerHost}: the contract is not checked on a real one`, () => {});
} else {
  const clusters: string[] = [];
  beforeAll(() => {
    const script = join(import.meta.dirname, "..", "..", "scripts", "test_images.ts");
    const made = spawnSync(process.execPath, [script], { encoding: "utf8" });
    expect(made.status, made.stderr).toBe(0);
  });
  afterAll(async () => {
    for (const cluster of clusters) {
      const left = await engine.listContainers({ all: true, filters: { label: [`${labels.cluster}=${cluster}`] } });
      await Promise.all(left.map(({ Id: id }) => engine.getContainer(id).remove({ force: true, v: true })));
    }
  });

  containerRuntimeContract("Docker", async (): Promise<RuntimeUnderTest> => {
    const cluster = uid();
    clusters.push(cluster);
    return {
      runtime: runtimeOf(cluster),
      stranger: runtimeOf(uid()),
      newUid: uid,
      programs: {
        image: "busybox:latest",
        forever: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"],
        deaf: ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"],
        tell: (out, err, code) => ["sh", "-c", `echo "${out}"; echo "${err}" >&2; exit ${code}`],
        copy: ["cat"],
        absent: ["/no/such/program"],
      },
    };
  });

  describe("Docker", () => {
    test("the sandbox's own process reaps what its pod leaves behind", async () => {
      const cluster = uid();
      clusters.push(cluster);
      const runtime = runtimeOf(cluster);
      const pod = { namespace: "default", name: "shared", uid: uid() };
      const sandboxId = await runtime.createPodSandbox({
        pod,
        attempt: 0,
        hostname: "shared",
        network: "pod",
        hostPid: false,
        hostIpc: false,
        shareProcessNamespace: true,
        sysctls: {},
        labels: {},
      });
      await runtime.startPodSandbox(sandboxId);
      // The orphan of a shell that has ended goes to process 1, and must not stay a zombie.
      const orphan = "(sleep 0.2 &) ; sleep 0.6; grep -l 'State:.Z' /proc/[0-9]*/status; cat /proc/1/comm";
      const { id, said } = await outputOf(runtime, sandboxId, pod, orphan);
      expect(said).toBe("pause\n");
      await runtime.stopContainer(sandboxId, 10);
      const { sandboxes } = await runtime.list();
      expect(sandboxes[0]?.state).toBe("exited");
      await runtime.removeContainer(id);
      await runtime.removePodSandbox(sandboxId);
    });

    test("a sandbox's network is bare, for us to wire: loopback alone, without IPv6, under the pod's host name", async () => {
      const cluster = uid();
      clusters.push(cluster);
      const runtime = runtimeOf(cluster);
      const pod = { namespace: "default", name: "bare", uid: uid() };
      const sandboxId = await runtime.createPodSandbox({
        pod,
        attempt: 0,
        hostname: "bare-name",
        network: "pod",
        hostPid: false,
        hostIpc: false,
        shareProcessNamespace: false,
        sysctls: { "net.ipv4.ip_local_port_range": "2000 3000" },
        labels: {},
      });
      await runtime.startPodSandbox(sandboxId);
      const ipv6 = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
      const command = `hostname; ls /sys/class/net; cat /proc/sys/net/ipv4/ip_local_port_range; cat ${ipv6} || echo 1`;
      const { said } = await outputOf(runtime, sandboxId, pod, command);
      expect(said).toBe("bare-name\nlo\n2000\t3000\n1\n");
    });

    test("pulls from a registry, with a login where it asks, and tells its refusals apart", async () => {
      const registry = registryWith("secret/image", "sailor:rum");
      const host = `127.0.0.1:${registry.port}`;
      const image = `${host}/secret/image:1`;
      const runtime = runtimeOf(uid());
      const codeOf = (promise: Promise<unknown>) =>
        promise.then(
          () => "pulled",
          (error: unknown) => (error instanceof RuntimeError ? error.code : String(error)),
        );
      try {
        expect(await codeOf(runtime.pullImage(image))).toBe("ImageNotFound");
        const login = { username: "sailor", password: "rum", serverAddress: host };
        expect(await codeOf(runtime.pullImage(`${host}/secret/image:2`, undefined, login))).toBe("ImageNotFound");
        expect(await runtime.imageStatus(image)).toBeUndefined();
        expect(await codeOf(runtime.pullImage(image, undefined, login))).toBe("pulled");
        expect(await runtime.imageStatus(image)).toMatchObject({ tags: [image], hasRegistryDigest: true });
        expect(await runtime.imageStatus("busybox:latest")).toMatchObject({ hasRegistryDigest: false });
      } finally {
        await engine
          .getImage(image)
          .remove({ force: true })
          .catch(() => undefined);
        await registry.stop(true);
      }
      expect(await codeOf(runtime.pullImage(image))).toBe("RegistryUnavailable");
    });

    test("an Engine that is away gives Unavailable", async () => {
      const away = runtimeOf(uid(), "unix:///tmp/no-such-engine.sock");
      const error = await away.version().catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(RuntimeError);
      expect(error).toMatchObject({ code: "Unavailable" });
      expect(String(error)).toContain("unix:///tmp/no-such-engine.sock");
    });

    test("a terminal's output is one stream, and its size can be set", async () => {
      const cluster = uid();
      clusters.push(cluster);
      const runtime = runtimeOf(cluster);
      const pod = { namespace: "default", name: "terminal", uid: uid() };
      const sandboxId = await runtime.createPodSandbox({
        pod,
        attempt: 0,
        hostname: "terminal",
        network: "pod",
        hostPid: false,
        hostIpc: false,
        shareProcessNamespace: false,
        sysctls: {},
        labels: {},
      });
      const body = { pod, name: "main", attempt: 0, image: "busybox:latest", env: [], mounts: [] };
      const security = {
        privileged: false,
        supplementalGroups: [],
        readOnlyRootFilesystem: false,
        addCapabilities: [],
        dropCapabilities: [],
        noNewPrivileges: false,
      };
      await runtime.startPodSandbox(sandboxId);
      const id = await runtime.createContainer(sandboxId, {
        ...body,
        command: ["sleep", "60"],
        stdin: false,
        stdinOnce: false,
        tty: false,
        resources: { oomScoreAdjust: 0 },
        security,
        labels: {},
      });
      await runtime.startContainer(id);
      const stream = await runtime.exec(id, { command: ["sh"], stdin: true, tty: true });
      await stream.resize(91, 17);
      await stream.writeStdin(new TextEncoder().encode("stty size; hostname; exit 4\n"));
      let said = "";
      for await (const { bytes } of stream.output) said += Buffer.from(bytes).toString();
      expect(said).toContain("17 91");
      expect(said).toContain("terminal");
      expect(await stream.exitCode).toBe(4);
      await runtime.stopPodSandbox(sandboxId);
      await runtime.removeContainer(id);
      await runtime.removePodSandbox(sandboxId);
    });
  });
}
