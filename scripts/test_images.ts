/**
 * Images for tests, made from the distribution's packages: no registry is asked. `bun scripts/test_images.ts`
 * puts busybox:latest, busybox:1.36, nginx:latest and nginx:1.27 into the Docker Engine (DOCKER_HOST, or the local socket)
 * and prints their names. They are taken for what they stand for only by tests: each is labelled wherry.test-image.
 *
 * The images come in by `docker load`, so that their configuration is whole: nginx has STOPSIGNAL SIGQUIT as the published
 * one has, which makes it finish its requests before it exits. An image that is there and the same is left alone; one of
 * the same name that came from a registry is left alone too.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import Docker from "dockerode";
import { type ImageConfig, imageArchive, type TarEntry } from "../src/node/image_archive.ts";

const testLabel = "wherry.test-image";
const encoder = new TextEncoder();

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 26 });
}

/** Every folder above the paths is added once, before them; paths are sorted, so that the same files give the same bytes. */
function withFolders(entries: readonly TarEntry[]): TarEntry[] {
  const all = new Map<string, TarEntry>();
  for (const entry of entries) {
    const parts = entry.path.split("/");
    for (let depth = 1; depth < parts.length; depth++) {
      const path = parts.slice(0, depth).join("/");
      if (!all.has(path)) all.set(path, { path, type: "directory", mode: 0o755 });
    }
    all.set(entry.path, entry);
  }
  return [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

const text = (path: string, content: string): TarEntry => ({
  path,
  type: "file",
  mode: 0o644,
  content: encoder.encode(content),
});
const directory = (path: string, mode = 0o755): TarEntry => ({ path, type: "directory", mode });

/** Users and folders that programs take for granted. */
const base: readonly TarEntry[] = [
  directory("tmp", 0o1777),
  directory("var/tmp", 0o1777),
  directory("root", 0o700),
  directory("home"),
  text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"),
  text("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
];

/** Unpacks a package and what it needs into `root`, without installing anything. */
function unpack(packageName: string, root: string): void {
  const archives = join(root, "..", "archives");
  mkdirSync(join(archives, "partial"), { recursive: true });
  console.error(`fetching the package ${packageName}`);
  run(
    "apt-get",
    ...[
      "-qq",
      "-y",
      "-o",
      "Debug::NoLocking=1",
      "-o",
      `Dir::Cache::archives=${archives}`,
      "-o",
      "APT::Sandbox::User=root",
    ],
    ...["--no-install-recommends", "--reinstall", "--download-only", "install", packageName],
  );
  for (const file of readdirSync(archives).filter((name) => name.endsWith(".deb")))
    run("dpkg-deb", "-x", join(archives, file), root);
}

/** A program of the host, or of its package where it is not installed: the path, and where its libraries may lie. */
function program(path: string, packageName: string, scratch: string): { path: string; root: string } {
  if (existsSync(path)) return { path, root: "/" };
  const root = join(scratch, packageName);
  mkdirSync(root, { recursive: true });
  unpack(packageName, root);
  for (const candidate of [join(root, path), join(root, "usr", path)])
    if (existsSync(candidate)) return { path: candidate, root };
  throw new Error(`Cannot find ${path} in the package ${packageName}`);
}

function busyboxLayer(scratch: string): TarEntry[] {
  let { path } = program("/bin/busybox", "busybox-static", scratch);
  // A dynamically linked busybox of the host is of no use in an empty image.
  if (!/not a dynamic executable|statically linked/.test(lddOutput(path, "/"))) {
    const root = join(scratch, "busybox-static");
    mkdirSync(root, { recursive: true });
    unpack("busybox-static", root);
    path = [join(root, "bin/busybox"), join(root, "usr/bin/busybox")].find(existsSync) ?? path;
  }
  const applets = run(path, "--list").trim().split("\n");
  return withFolders([
    ...base,
    { path: "bin/busybox", type: "file", mode: 0o755, content: readFileSync(path) },
    ...applets
      .filter((applet) => applet !== "busybox")
      .map((applet): TarEntry => ({ path: `bin/${applet}`, type: "symlink", target: "busybox" })),
  ]);
}

function lddOutput(path: string, root: string): string {
  const folders = root === "/" ? [] : libraryFolders(root);
  try {
    return execFileSync("ldd", [path], {
      encoding: "utf8",
      env: { ...process.env, ...(folders.length > 0 ? { LD_LIBRARY_PATH: folders.join(":") } : {}) },
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (error) {
    return String(error);
  }
}

function libraryFolders(root: string): string[] {
  return ["lib", "usr/lib"]
    .map((folder) => join(root, folder))
    .filter(existsSync)
    .flatMap((folder) => [folder, ...readdirSync(folder).map((name) => join(folder, name))])
    .filter((folder) => folder.endsWith("-linux-gnu"));
}

/** The libraries that the dynamic loader would open, at the paths where it looks for them. */
function libraries(path: string, root: string): TarEntry[] {
  return [...lddOutput(path, root).matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((match): TarEntry => {
    const file = match[1] ?? "";
    // A library out of an unpacked package goes where the loader looks without LD_LIBRARY_PATH.
    const inside = file.startsWith(`${root}/`) ? file.slice(root.length + 1) : file.slice(1);
    return { path: inside, type: "file", mode: 0o755, content: readFileSync(realpathSync(file)) };
  });
}

const nginxConfiguration = (tag: string) => `worker_processes 1;
daemon off;
pid /run/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 1024; }
http {
  default_type application/octet-stream;
  types { text/html html; text/plain txt; text/css css; application/javascript js; application/json json; }
  access_log /dev/stdout;
  keepalive_timeout 65;
  server {
    listen 80;
    root /usr/share/nginx/html;
    index index.html;
    add_header X-Test-Image ${tag};
  }
}
user root;
`;

const nginxPage = (tag: string) => `<!DOCTYPE html>
<html>
<head><title>Welcome to nginx!</title></head>
<body>
<h1>Welcome to nginx!</h1>
<p>This page is served by the test image ${tag}.</p>
</body>
</html>
`;

function nginxLayer(tag: string, scratch: string): TarEntry[] {
  const { path, root } = program("/usr/sbin/nginx", "nginx", scratch);
  return withFolders([
    ...base,
    { path: "usr/sbin/nginx", type: "file", mode: 0o755, content: readFileSync(path) },
    ...libraries(path, root),
    text("etc/nginx/nginx.conf", nginxConfiguration(tag)),
    text("usr/share/nginx/html/index.html", nginxPage(tag)),
    directory("run"),
    directory("var/log/nginx"),
    directory("var/lib/nginx"),
    { path: "var/run", type: "symlink", target: "/run" },
  ]);
}

export interface TestImage {
  readonly config: ImageConfig;
  layer(): TarEntry[];
}

function testImages(architecture: string, scratch: string): TestImage[] {
  const busybox: TestImage = {
    config: { tags: ["busybox:latest", "busybox:1.36"], architecture, command: ["sh"] },
    layer: () => busyboxLayer(scratch),
  };
  const nginx = (tag: string): TestImage => ({
    config: {
      tags: [tag],
      architecture,
      command: ["/usr/sbin/nginx"],
      exposedPorts: ["80/tcp"],
      stopSignal: "SIGQUIT",
    },
    layer: () => nginxLayer(tag, scratch),
  });
  return [busybox, nginx("nginx:latest"), nginx("nginx:1.27")];
}

/** What must be done for `tag`: nothing when this very image is there, or one that a registry gave. */
async function isThere(docker: Docker, tag: string, id: string): Promise<boolean> {
  try {
    const found = await docker.getImage(tag).inspect();
    if (found.Id === `sha256:${id}`) return true;
    return (found.RepoDigests ?? []).length > 0 && found.Config.Labels?.[testLabel] === undefined;
  } catch {
    return false;
  }
}

async function load(docker: Docker, config: ImageConfig, layer: readonly TarEntry[]): Promise<void> {
  const { id, bytes } = imageArchive({ ...config, labels: { [testLabel]: "1" } }, layer);
  const there = await Promise.all(config.tags.map((tag) => isThere(docker, tag, id)));
  if (there.every(Boolean)) return;
  // In pieces: the HTTP client copies what it is given in one.
  const pieces = function* () {
    for (let at = 0; at < bytes.length; at += 1 << 20) yield Buffer.from(bytes.subarray(at, at + (1 << 20)));
  };
  const answer = await docker.loadImage(Readable.from(pieces()), { quiet: true });
  let said = "";
  for await (const chunk of answer) said += String(chunk);
  if (/"error"/.test(said)) throw new Error(`Cannot load ${config.tags.join(", ")}: ${said.trim()}`);
}

/** Puts the images that are missing into the Engine; resolves to their names. */
export async function loadTestImages(docker: Docker = new Docker()): Promise<string[]> {
  const { Arch: architecture } = await docker.version();
  const scratch = mkdtempSync(join(tmpdir(), "wherry-images-"));
  try {
    const names: string[] = [];
    for (const image of testImages(architecture, scratch)) {
      await load(docker, image.config, image.layer());
      names.push(...image.config.tags);
    }
    return names;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** An image `tag` that runs the program at `path` of this machine, with the libraries that it is linked to. */
export async function buildProgramImage(tag: string, path: string, docker: Docker = new Docker()): Promise<void> {
  const { Arch: architecture } = await docker.version();
  const program: TarEntry = { path: "bin/program", type: "file", mode: 0o755, content: readFileSync(path) };
  await load(
    docker,
    { tags: [tag], architecture, entrypoint: ["/bin/program"] },
    withFolders([...base, program, ...libraries(path, "/")]),
  );
}

if (import.meta.main) {
  for (const name of await loadTestImages()) console.log(name);
}
