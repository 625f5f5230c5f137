import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import type { KindRegistry } from "../../kinds/registry.ts";
import type { Discovery } from "./discovery.ts";
import { notAcceptable, parseAccept } from "./negotiate.ts";
import { openApiDocument } from "./openapi.ts";
import { encodeOpenApiV2, openApiV2 } from "./openapi_v2.ts";
import { answer, jsonAnswer, pathNotFound } from "./respond.ts";

const encoder = new TextEncoder();
const json = "application/json";
/** openapi.v2.Document. Clients ask by the first name; it is no valid media type, so the answer carries the second. */
const protobufAsked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const protobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/**
 * /openapi/v2, /openapi/v3 and its documents. A document is made when it is asked for and not kept: clients cache it by its hash, and
 * some hundred kilobytes a group are too much for what is read once.
 */
export class OpenApiRoutes {
  readonly #kinds: KindRegistry;
  readonly #discovery: Discovery;
  readonly #version: string;
  #hashes: ReadonlyMap<string, string> | undefined;
  readonly #v2Hashes = new Map<string, string>();

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
    if (etagHash !== undefined && hasAlready(request, etagHash)) return notModified(etagHash);
    const { bytes, hash } = this.#make(found);
    return answer({
      code: 200,
      contentType: json,
      bytes,
      headers: {
        etag: `"${hash}"`,
        vary: "Accept",
        // Immutable only under the address that carries the hash. A year is the longest that RFC 9111 knows.
        "cache-control": asked === hash ? "public, immutable, max-age=31536000" : "no-cache, private",
      },
    });
  }

  /** The only document of version 2, in the form that the client takes. */
  v2(request: Request): Response {
    const contentType = v2Form(request.headers.get("accept"));
    const known = this.#v2Hashes.get(contentType);
    if (known !== undefined && hasAlready(request, known)) return notModified(known);
    const document = openApiV2(this.#kinds, this.#version);
    const bytes = contentType === protobuf ? encodeOpenApiV2(document) : encoder.encode(JSON.stringify(document));
    const hash = hashOf(bytes);
    this.#v2Hashes.set(contentType, hash);
    return answer({ code: 200, contentType, bytes, headers: { etag: `"${hash}"`, vary: "Accept" } });
  }

  #groupVersions() {
    return this.#discovery.groupVersions().map((one) => ({
      ...one,
      path: one.group === "" ? `api/${one.version}` : `apis/${one.group}/${one.version}`,
    }));
  }

  #make({ group, version, kinds }: ReturnType<Discovery["groupVersions"]>[number]) {
    const document = openApiDocument(this.#kinds, group, version, kinds, this.#version);
    const bytes = encoder.encode(JSON.stringify(document));
    return { bytes, hash: hashOf(bytes) };
  }

  #allHashes(): ReadonlyMap<string, string> {
    this.#hashes ??= new Map(this.#groupVersions().map((one) => [one.path, this.#make(one).hash]));
    return this.#hashes;
  }
}

function v2Form(accept: string | null): string {
  for (const { type } of parseAccept(accept)) {
    if (type === json || type === "*/*" || type === "application/*") return json;
    if (type === protobufAsked || type === protobuf) return protobuf;
  }
  throw notAcceptable([json, protobuf]);
}

/** What clients cache a document by. */
function hashOf(bytes: Uint8Array): string {
  return bytesToHex(sha256(bytes)).toUpperCase();
}

function hasAlready(request: Request, hash: string): boolean {
  return request.headers.get("if-none-match") === `"${hash}"`;
}

function notModified(hash: string): Response {
  return new Response(null, { status: 304, headers: { etag: `"${hash}"`, vary: "Accept" } });
}
