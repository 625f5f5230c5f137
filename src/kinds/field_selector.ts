import type { AnyKind, FieldGetter, KubeObject, Observed } from "./kind.ts";
import { SelectorError } from "./label_selector.ts";

export interface FieldRequirement {
  readonly field: string;
  readonly operator: "=" | "!=";
  readonly value: string;
}

/** Parses `fieldSelector=`: terms with =, == or != between commas; a backslash escapes `\`, `,` and `=`. */
export function parseFieldSelector(text: string): readonly FieldRequirement[] {
  return terms(text).map((term) => {
    const match = /^((?:\\.|[^\\=!])*?)(!=|==|=)(.*)$/s.exec(term);
    if (match === null) throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`);
    const [, field = "", operator, value = ""] = match;
    return { field, operator: operator === "!=" ? "!=" : "=", value: unescaped(value) };
  });
}

function terms(text: string): string[] {
  const found: string[] = [];
  let term = "";
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? "";
    if (char === "\\") {
      term += char + (text[at + 1] ?? "");
      at++;
    } else if (char === ",") {
      found.push(term);
      term = "";
    } else term += char;
  }
  found.push(term);
  return found.filter((each) => each !== "");
}

function unescaped(value: string): string {
  let text = "";
  for (let at = 0; at < value.length; at++) {
    const char = value[at] ?? "";
    if (char === "=" || char === ",")
      throw new SelectorError(`invalid field selector: unescaped character in value: ${char}`);
    if (char !== "\\") {
      text += char;
      continue;
    }
    const escaped = value[++at] ?? "";
    if (!["\\", ",", "="].includes(escaped))
      throw new SelectorError(`invalid field selector: invalid escape sequence: \\${escaped}`);
    text += escaped;
  }
  return text;
}

const everyKind: Readonly<Record<string, FieldGetter<KubeObject>>> = {
  "metadata.name": (object) => object.metadata.name,
  "metadata.namespace": (object) => object.metadata.namespace ?? "",
};

/**
 * A predicate for objects of the kind. Throws SelectorError, which the API answers with 400, for a field that the kind
 * does not offer.
 */
export function fieldMatcher(
  kind: AnyKind,
  requirements: readonly FieldRequirement[],
): (object: Observed<KubeObject>) => boolean {
  const compiled = requirements.map(({ field, operator, value }) => {
    const getters = { ...everyKind, ...kind.selectableFields };
    const get = Object.hasOwn(getters, field) ? getters[field] : undefined;
    if (get === undefined) throw new SelectorError(unknownField(kind, field));
    return (object: Observed<KubeObject>) => (get(object) === value) === (operator === "=");
  });
  return (object) => compiled.every((matches) => matches(object));
}

function unknownField(kind: AnyKind, field: string): string {
  return kind.selectableFields === undefined
    ? `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`
    : `field label not supported: ${field}`;
}

/** The value that a selector demands of a field, for example the one name of a `metadata.name=web` watch. */
export function demandedValue(requirements: readonly FieldRequirement[], field: string): string | undefined {
  return requirements.find((requirement) => requirement.field === field && requirement.operator === "=")?.value;
}
