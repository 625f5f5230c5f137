import { copyJson, type Fields, isFields, ownField, setField } from "../registry/object.ts";

/** RFC 7386. Neither argument is changed; the result may share with `target`. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isFields(patch)) return copyJson(patch);
  const result: Fields = {};
  if (isFields(target)) for (const [key, value] of Object.entries(target)) setField(result, key, value);
  for (const [key, value] of Object.entries(patch))
    if (value === null) delete result[key];
    else setField(result, key, mergePatch(ownField(result, key), value));
  return result;
}
