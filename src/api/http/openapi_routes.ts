import type { KindRegistry } from "../../kinds/registry.ts";
import type { Discovery } from "./discovery.ts";
import { openApiDocument, serialize } from "./openapi.ts";
import { answer, jsonAnswer, pathNotFound } from "./respond.ts";

const contentType = "application/json";

/**
 * /openapi/v3 and its documents. A document is made when it is asked for and not kept: clients cache it by its hash, and
 * some hundred kilobytes a group are too much for what is read once.
 */
export class OpenApiRoutes {
  readonly #kinds: KindRegistry;
  readonly #discovery: Discovery;
  readonly #version: string;
  #hashes: ReadonlyMap<string, string> | undefined;

  constructor(kinds: KindRegistry, discovery: Discovery, version: string) {
    this.#kinds = kinds;
    this.#discovery = discovery;
    this.#version = version;
  }

  index(): Response {
    const paths: Record<string, { serverRelativeURL: string }> = {};
    for (const [path, hash] of this.#allHashes()) {
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
    }
    return jsonAnswer(200, { paths });
  }

  /** `path`: "api/v1" or "apis/apps/v1". */
  document(path: string, request: Request): Response {
    const found = this.#groupVersions().find((one) => one.path === path);
    if (!found) return pathNotFound();
    const asked = new URL(request.url).searchParams.get("hash");
    const etagHash = this.#hashes?.get(path);
    if (etagHash !== undefined && request.headers.get("if-none-match") === `"${etagHash}"`)
      return new Response(null, { status: 304, headers: { etag: `"${etagHash}"` } });
    const { bytes, hash } = this.#make(found);
    return answer({
      code: 200,
      contentType,
      bytes,
      headers: {
        etag: `"${hash}"`,
        vary: "Accept",
        // Immutable only under the address that carries the hash. A year is the longest that RFC 9111 knows.
        "cache-control": asked === hash ? "public, immutable, max-age=31536000" : "no-cache, private",
      },
    });
  }

  #groupVersions() {
    return this.#discovery.groupVersions().map((one) => ({
      ...one,
      path: one.group === "" ? `api/${one.version}` : `apis/${one.group}/${one.version}`,
    }));
  }

  #make({ group, version, kinds }: ReturnType<Discovery["groupVersions"]>[number]) {
    return serialize(openApiDocument(this.#kinds, group, version, kinds, this.#version));
  }

  #allHashes(): ReadonlyMap<string, string> {
    this.#hashes ??= new Map(this.#groupVersions().map((one) => [one.path, this.#make(one).hash]));
    return this.#hashes;
  }
}
