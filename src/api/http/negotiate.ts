import { StatusError } from "../../kinds/status_error.ts";

/** One media range of an Accept header, or a Content-Type: compared by its parsed parameters, never as text. */
export interface MediaRange {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** 0 to 1. */
  readonly quality: number;
}

/** Best first: by quality, then as written. An absent header accepts everything. */
export function parseAccept(header: string | null): MediaRange[] {
  if (header === null || header.trim() === "") return [{ type: "*/*", parameters: {}, quality: 1 }];
  return header
    .split(",")
    .map(parseMediaRange)
    .filter((range) => range.quality > 0)
    .sort((a, b) => b.quality - a.quality);
}

export function parseMediaRange(text: string): MediaRange {
  const [type = "", ...rest] = text.split(";").map((part) => part.trim());
  const parameters: Record<string, string> = {};
  let quality = 1;
  for (const part of rest) {
    const [name = "", value = ""] = part.split("=").map((word) => word.trim().replace(/^"|"$/g, ""));
    if (name === "q") quality = Number.isFinite(Number(value)) ? Number(value) : 1;
    else parameters[name.toLowerCase()] = value;
  }
  return { type: type.toLowerCase(), parameters, quality };
}

/** How an answer is to look. Protobuf is never answered: every client that asks for it lists JSON as well. */
export interface Representation {
  readonly format: "json" | "yaml";
  readonly as: "object" | "table" | "partial";
  /** Of meta.k8s.io, for tables and partial objects. */
  readonly metaVersion: "v1" | "v1beta1";
}

/** Throws 406 when nothing that the client takes can be made. */
export function negotiate(accept: string | null): Representation {
  for (const range of parseAccept(accept)) {
    const format = formatOf(range.type);
    if (!format) continue;
    const { as, g, v } = range.parameters;
    if (as === undefined || as === "") return { format, as: "object", metaVersion: "v1" };
    if (g !== "meta.k8s.io" || (v !== "v1" && v !== "v1beta1")) continue;
    if (as === "Table") return { format, as: "table", metaVersion: v };
    if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList")
      return { format, as: "partial", metaVersion: v };
  }
  throw notAcceptable(["application/json", "application/yaml"]);
}

export function notAcceptable(types: readonly string[]): StatusError {
  return new StatusError(406, "NotAcceptable", `only the following media types are accepted: ${types.join(", ")}`);
}

function formatOf(type: string): Representation["format"] | undefined {
  if (type === "application/json" || type === "*/*" || type === "application/*") return "json";
  return type === "application/yaml" ? "yaml" : undefined;
}
