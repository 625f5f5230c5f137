import { sameValue } from "../equality.ts";
import { byteLength, configKeyProblems } from "../names.ts";
import { forbiddenValue, invalidValue, tooLongValue } from "../status_error.ts";
import { checkName, type Errors } from "../validation.ts";

/** ConfigMaps and Secrets hold at most so many bytes. */
const limit = 1024 * 1024;

type Texts = Readonly<Record<string, string>>;

export function base64Length(text: string): number {
  return (text.length / 4) * 3 - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0);
}

export function checkKeys(data: Texts, field: string): Errors {
  return Object.keys(data).flatMap((key) => checkName(configKeyProblems, key, `${field}[${key}]`));
}

/** `texts` are counted as UTF-8, `bytes` as what their base64 stands for. The path is Kubernetes' own. */
export function checkSize(texts: Texts, bytes: Texts): Errors {
  let size = 0;
  for (const value of Object.values(texts)) size += byteLength(value);
  for (const value of Object.values(bytes)) size += base64Length(value);
  return size > limit ? [tooLongValue("[]", limit)] : [];
}

interface Sealable {
  readonly immutable?: boolean | undefined;
}

/** Once immutable, always immutable; `fields` may not change. */
export function checkSealed<T extends Sealable>(object: T, old: T, fields: readonly (keyof T & string)[]): Errors {
  if (old.immutable !== true) return [];
  const detail = "field is immutable when `immutable` is set";
  const errors: Errors = object.immutable === true ? [] : [forbiddenValue("immutable", detail)];
  for (const field of fields) if (!sameValue(object[field], old[field])) errors.push(forbiddenValue(field, detail));
  return errors;
}

export function checkTwice(data: Texts, binaryData: Texts): Errors {
  return Object.keys(data)
    .filter((key) => Object.hasOwn(binaryData, key))
    .map((key) => invalidValue(`data[${key}]`, key, "duplicate of key present in binaryData"));
}
