/**
 * Container images made from bytes, in the archive form that `docker load` reads: every Engine takes it, no registry is
 * asked, and (other than with `docker import`) the image's whole configuration, stop signal included, is ours. The same
 * entries give the same bytes and so the same image id.
 */
import { createHash } from "node:crypto";

export type TarEntry =
  | { readonly path: string; readonly type: "file"; readonly mode: number; readonly content: Uint8Array }
  | { readonly path: string; readonly type: "directory"; readonly mode: number }
  | { readonly path: string; readonly type: "symlink"; readonly target: string };

export interface ImageConfig {
  /** "nginx:latest" */
  readonly tags: readonly string[];
  /** Go's name of the processor: "amd64". */
  readonly architecture: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: readonly string[];
  readonly workingDirectory?: string;
  readonly exposedPorts?: readonly string[];
  readonly stopSignal?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

const blockSize = 512;
const encoder = new TextEncoder();

function field(block: Uint8Array, offset: number, length: number, text: string): void {
  const bytes = encoder.encode(text);
  if (bytes.length > length) throw new Error(`"${text}" does not fit into ${length} bytes of a tar header`);
  block.set(bytes, offset);
}

function octal(block: Uint8Array, offset: number, length: number, value: number): void {
  field(block, offset, length, value.toString(8).padStart(length - 1, "0"));
}

/** POSIX ustar, owned by root, dated 1970. Paths of up to 100 bytes, or 255 where a "/" can part them. */
function header(entry: TarEntry): Uint8Array {
  const block = new Uint8Array(blockSize);
  const path = entry.type === "directory" ? `${entry.path}/` : entry.path;
  if (encoder.encode(path).length <= 100) {
    field(block, 0, 100, path);
  } else {
    const cut = path.lastIndexOf("/", 155);
    field(block, 0, 100, path.slice(cut + 1));
    field(block, 345, 155, path.slice(0, Math.max(cut, 0)));
  }
  octal(block, 100, 8, entry.type === "symlink" ? 0o777 : entry.mode);
  octal(block, 108, 8, 0);
  octal(block, 116, 8, 0);
  octal(block, 124, 12, entry.type === "file" ? entry.content.length : 0);
  octal(block, 136, 12, 0);
  block.fill(32, 148, 156);
  field(block, 156, 1, entry.type === "file" ? "0" : entry.type === "symlink" ? "2" : "5");
  if (entry.type === "symlink") field(block, 157, 100, entry.target);
  field(block, 257, 8, "ustar\u000000");
  const sum = block.reduce((total, byte) => total + byte, 0);
  field(block, 148, 8, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** Entries in the order given; a folder must come before what is in it. */
export function tar(entries: readonly TarEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    parts.push(header(entry));
    if (entry.type !== "file") continue;
    parts.push(entry.content);
    const rest = entry.content.length % blockSize;
    if (rest !== 0) parts.push(new Uint8Array(blockSize - rest));
  }
  parts.push(new Uint8Array(2 * blockSize));
  return Buffer.concat(parts);
}

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

/** One image of one layer, as `docker load` takes it. `id` is what the Engine will call it, without "sha256:". */
export function imageArchive(config: ImageConfig, layer: readonly TarEntry[]): { id: string; bytes: Uint8Array } {
  const layerBytes = tar(layer);
  const layerDigest = sha256(layerBytes);
  const created = "1970-01-01T00:00:00Z";
  const image = {
    architecture: config.architecture,
    os: "linux",
    created,
    config: {
      ...(config.entrypoint ? { Entrypoint: config.entrypoint } : {}),
      ...(config.command ? { Cmd: config.command } : {}),
      Env: config.environment ?? ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      ...(config.workingDirectory ? { WorkingDir: config.workingDirectory } : {}),
      ...(config.exposedPorts ? { ExposedPorts: Object.fromEntries(config.exposedPorts.map((p) => [p, {}])) } : {}),
      ...(config.stopSignal ? { StopSignal: config.stopSignal } : {}),
      Labels: config.labels ?? {},
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${layerDigest}`] },
    history: [{ created, created_by: "wherry" }],
  };
  const imageJson = encoder.encode(JSON.stringify(image));
  const id = sha256(imageJson);
  const manifest = [{ Config: `${id}.json`, RepoTags: config.tags, Layers: [`${layerDigest}/layer.tar`] }];
  const bytes = tar([
    { path: `${id}.json`, type: "file", mode: 0o644, content: imageJson },
    { path: layerDigest, type: "directory", mode: 0o755 },
    { path: `${layerDigest}/VERSION`, type: "file", mode: 0o644, content: encoder.encode("1.0") },
    { path: `${layerDigest}/layer.tar`, type: "file", mode: 0o644, content: layerBytes },
    { path: "manifest.json", type: "file", mode: 0o644, content: encoder.encode(JSON.stringify(manifest)) },
  ]);
  return { id, bytes };
}
