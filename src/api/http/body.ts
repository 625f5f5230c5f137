import type { KindRegistry } from "../../kinds/registry.ts";
import { badRequest, StatusError } from "../../kinds/status_error.ts";
import { scanJson } from "./json_scan.ts";
import { parseMediaRange } from "./negotiate.ts";
import { decodeMessage, readEnvelope } from "./protobuf.ts";
import { ProtobufError } from "./protobuf_reader.ts";
import { schemaOf } from "./wire_kinds.ts";
import { parseYaml, YamlFault } from "./yaml_body.ts";

/** Kubernetes' limit of one request's body: 3 MiB. */
export const maxBodyBytes = 3 * 1024 * 1024;

export interface DecodedBody {
  readonly value: unknown;
  /** Repeated keys, for strict field validation. */
  readonly problems: readonly string[];
}

/** The whole body; 413 as soon as it is too large, without reading on. */
export async function readBody(request: Request): Promise<Uint8Array> {
  const tooLarge = () =>
    new StatusError(413, "RequestEntityTooLarge", `Request entity too large: limit is ${maxBodyBytes}`, {});
  if (Number(request.headers.get("content-length") ?? 0) > maxBodyBytes) {
    await request.body?.cancel();
    throw tooLarge();
  }
  if (!request.body) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = request.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > maxBodyBytes) {
      await reader.cancel();
      throw tooLarge();
    }
    chunks.push(value);
  }
  // An HTTP/2 stream that its client gives up may look ended; half of a YAML text is often a whole one.
  const said = request.headers.get("content-length");
  if (said !== null && Number(said) !== size)
    throw badRequest(`the body was cut off: ${size} bytes came, and its Content-Length says ${said}; send it again`);
  const only = chunks[0];
  if (chunks.length === 1 && only) return only;
  const body = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

export interface BodyContext {
  readonly kinds: KindRegistry;
  readonly contentType: string | null;
  /** What the URL expects, for messages: "Deployment". */
  readonly expectedKind: string;
  /** Look for repeated keys (fieldValidation Strict or Warn). */
  readonly findDuplicates: boolean;
}

/** Decodes an object: JSON, YAML or protobuf. 415 for any other type, 400 for what is malformed. */
export function decodeObject(body: Uint8Array, context: BodyContext): DecodedBody {
  const { type } = parseMediaRange(context.contentType ?? "application/json");
  switch (type) {
    case "":
    case "*/*":
    case "application/json":
      return decodeJson(body, context);
    case "application/yaml":
      return decodeYaml(body, context);
    case "application/vnd.kubernetes.protobuf":
      return decodeProtobuf(body, context);
    default:
      throw unsupportedMediaType(["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]);
  }
}

/** Decodes a patch: its type is one of Kubernetes' four. */
export function decodePatch(body: Uint8Array, context: BodyContext): DecodedBody & { readonly patchType: string } {
  const { type: patchType } = parseMediaRange(context.contentType ?? "");
  switch (patchType) {
    case "application/json-patch+json":
    case "application/merge-patch+json":
    case "application/strategic-merge-patch+json": {
      const text = decodeText(body);
      return { ...parseJson(text, context.findDuplicates, (fault) => badRequest(fault)), patchType };
    }
    case "application/apply-patch+yaml":
      try {
        return { ...parseYaml(decodeText(body)), patchType };
      } catch (error) {
        if (error instanceof YamlFault) throw badRequest(`error decoding YAML: ${error.message}`);
        throw error;
      }
    default:
      throw unsupportedMediaType([
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
      ]);
  }
}

export function unsupportedMediaType(types: readonly string[]): StatusError {
  return new StatusError(
    415,
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${types.join(", ")}`,
    {},
  );
}

function decodeText(body: Uint8Array): string {
  // Go replaces broken UTF-8 by U+FFFD as well.
  return new TextDecoder().decode(body);
}

function decodeJson(body: Uint8Array, context: BodyContext): DecodedBody {
  return parseJson(decodeText(body), context.findDuplicates, (fault) =>
    unrecognized(context, `couldn't get version/kind; json parse error: ${fault}`, body),
  );
}

function parseJson(text: string, findDuplicates: boolean, failed: (fault: string) => StatusError): DecodedBody {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw failed(scanJson(text).error ?? "invalid JSON");
  }
  // Also where repeated keys do not matter: JSON.parse takes texts so deep that whoever walks them runs out of stack.
  const { error, duplicates } = scanJson(text);
  if (error !== undefined) throw failed(error);
  const problems = findDuplicates ? duplicates.map((path) => `duplicate field ${JSON.stringify(path)}`) : [];
  return { value, problems };
}

function decodeYaml(body: Uint8Array, context: BodyContext): DecodedBody {
  try {
    return parseYaml(decodeText(body));
  } catch (error) {
    if (!(error instanceof YamlFault)) throw error;
    throw unrecognized(context, `couldn't get version/kind; ${error.message}`, body);
  }
}

function decodeProtobuf(body: Uint8Array, context: BodyContext): DecodedBody {
  try {
    const { apiVersion, kind, raw } = readEnvelope(body);
    const schema = schemaOf(context.kinds, apiVersion, kind);
    if (!schema) {
      const what = `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`;
      throw unrecognized(context, what, body);
    }
    return { value: { apiVersion, kind, ...decodeMessage(schema, raw) }, problems: [] };
  } catch (error) {
    if (error instanceof ProtobufError) throw unrecognized(context, error.message, body);
    throw error;
  }
}

function unrecognized(context: BodyContext, fault: string, body: Uint8Array): StatusError {
  return badRequest(
    `the object provided is unrecognized (must be of type ${context.expectedKind}): ${fault} (${summary(body)})`,
  );
}

/** The start of a body, as Kubernetes quotes it: text when it looks like JSON, else hexadecimal. */
function summary(body: Uint8Array): string {
  if (body.length === 0) return "<empty>";
  const start = body.subarray(0, 30);
  const shown =
    body[0] === 0x7b
      ? new TextDecoder().decode(start)
      : Array.from(start, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return body.length > 30 ? `${shown} ...` : shown;
}
