import { stringify } from "yaml";
import { StatusError } from "../../kinds/status_error.ts";
import type { Representation } from "./negotiate.ts";

const encoder = new TextEncoder();

export interface Answer {
  readonly code: number;
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly warnings?: readonly string[];
}

export function answer({ code, contentType, bytes, headers, warnings = [] }: Answer): Response {
  const all = new Headers({
    "cache-control": "no-cache, private",
    ...headers,
    "content-type": contentType,
    "content-length": String(bytes.length),
  });
  for (const warning of warnings) all.append("warning", warningHeader(warning));
  return new Response(bytes, { status: code, headers: all });
}

export function jsonAnswer(code: number, object: unknown, contentType = "application/json"): Response {
  return answer({ code, contentType, bytes: encoder.encode(JSON.stringify(object)) });
}

export function textAnswer(code: number, text: string): Response {
  return answer({ code, contentType: "text/plain; charset=utf-8", bytes: encoder.encode(text) });
}

export function objectAnswer(
  code: number,
  object: unknown,
  format: Representation["format"],
  warnings: readonly string[],
): Response {
  // As YAML 1.1, so that "yes" and times are quoted and come back as the strings that they are.
  const text =
    format === "yaml" ? stringify(object, { version: "1.1", aliasDuplicateObjects: false }) : JSON.stringify(object);
  const contentType = format === "yaml" ? "application/yaml" : "application/json";
  return answer({ code, contentType, bytes: encoder.encode(text), warnings });
}

/** RFC 9111's warning code 299 and no agent, as Kubernetes writes it. Control characters would break the header. */
function warningHeader(text: string): string {
  const printable = [...text].map((char) => (char < " " || char > "~" ? " " : char)).join("");
  return `299 - "${printable.replace(/[\\"]/g, "\\$&")}"`;
}

export function errorAnswer(error: StatusError): Response {
  const retry = error.details?.retryAfterSeconds;
  return answer({
    code: error.code,
    contentType: "application/json",
    bytes: encoder.encode(JSON.stringify(error.toStatus())),
    headers: retry === undefined ? {} : { "retry-after": String(retry) },
  });
}

/** What the API server says to a path that nothing answers. Clients turn it into their own words. */
export function pathNotFound(): Response {
  return textAnswer(404, "404 page not found\n");
}

export function methodNotAllowed(): StatusError {
  return new StatusError(
    405,
    "MethodNotAllowed",
    "the server does not allow this method on the requested resource",
    {},
  );
}

export function internalError(): StatusError {
  return new StatusError(500, "InternalError", "Internal error occurred: see the server's log", {});
}
