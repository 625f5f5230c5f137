import { fieldMatcher, parseFieldSelector } from "../../kinds/field_selector.ts";
import type { AnyKind } from "../../kinds/kind.ts";
import { matchesLabels, parseLabelSelector, SelectorError } from "../../kinds/label_selector.ts";
import { validateFieldManager } from "../../kinds/metadata.ts";
import { badRequest, type FieldError, invalid, invalidValue, notSupportedValue } from "../../kinds/status_error.ts";
import type { StoredObject } from "./object.ts";

export type Query = Readonly<Record<string, string>>;

/** `true` and `1`, as Go's ParseBool has it for query parameters. */
export function isTrue(value: string | undefined): boolean {
  return value === "true" || value === "1" || value === "True" || value === "TRUE" || value === "t" || value === "T";
}

export interface WriteOptions {
  readonly dryRun: boolean;
  readonly fieldValidation: "Strict" | "Warn" | "Ignore";
  readonly fieldManager: string;
}

/** `optionsKind`: CreateOptions, UpdateOptions, PatchOptions; Kubernetes names it in the error. */
export function writeOptions(query: Query, optionsKind: string, userAgent: string | undefined): WriteOptions {
  const errors: FieldError[] = [];
  const dryRun = query.dryRun ?? "";
  if (dryRun !== "" && dryRun !== "All") errors.push(notSupportedValue("dryRun", dryRun, ["All"]));
  const mode = query.fieldValidation ?? "";
  if (mode !== "" && mode !== "Strict" && mode !== "Warn" && mode !== "Ignore")
    errors.push(notSupportedValue("fieldValidation", mode, ["Ignore", "Strict", "Warn"]));
  const manager = query.fieldManager ?? "";
  errors.push(...validateFieldManager(manager, "fieldManager"));
  if (errors.length > 0) throw invalid({ group: "meta.k8s.io", kind: optionsKind }, "", errors);
  return {
    dryRun: dryRun === "All",
    fieldValidation: mode === "Strict" || mode === "Ignore" ? mode : "Warn",
    fieldManager: manager === "" ? (userAgent ?? "unknown") : manager,
  };
}

/** What a list or a watch is narrowed to. */
export interface Selection {
  /** The one name that can match, where the field selector demands one. */
  readonly name: string | undefined;
  readonly everything: boolean;
  matches(object: StoredObject): boolean;
}

export function selectionOf(kind: AnyKind, query: Query): Selection {
  const labelText = query.labelSelector ?? "";
  const fieldText = query.fieldSelector ?? "";
  try {
    const labels = parseLabelSelector(labelText);
    const fields = parseFieldSelector(fieldText);
    const matchesFields = fieldMatcher(kind, fields);
    const name = fields.find(({ field, operator }) => field === "metadata.name" && operator === "=")?.value;
    return {
      name,
      everything: labels.length === 0 && fields.length === 0,
      matches: (object) => matchesLabels(labels, object.metadata.labels) && matchesFields(object),
    };
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message, error);
    throw error;
  }
}

/** A revision out of a query; undefined when absent or empty. */
export function revisionOf(text: string | undefined, field = "resourceVersion"): number | undefined {
  if (text === undefined || text === "") return undefined;
  const revision = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(revision))
    throw invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", [
      invalidValue(field, text, "must be a number that the server returned"),
    ]);
  return revision;
}

/** A whole number out of a query; undefined when absent or empty. */
export function integerOf(query: Query, name: string): number | undefined {
  const text = query[name];
  if (text === undefined || text === "") return undefined;
  if (!/^-?\d+$/.test(text))
    throw badRequest(`${name}: strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}
