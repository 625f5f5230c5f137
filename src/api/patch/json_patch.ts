import { copyJson, equalJson, type Fields, isFields, setField } from "../registry/object.ts";
import { PatchError } from "./patch_error.ts";

/** As Kubernetes has them: so many operations, and so many bytes that copies may add. */
const operationLimit = 10_000;
const copiedBytesLimit = 3 << 20;

interface Operation {
  readonly op: "add" | "remove" | "replace" | "move" | "copy" | "test";
  readonly path: readonly string[];
  readonly from: readonly string[];
  readonly value: unknown;
}

/** RFC 6902. `document` is changed where it is not replaced; the result is what counts. Throws PatchError. */
export function jsonPatch(document: unknown, patch: unknown): unknown {
  const operations = parse(patch);
  let copied = 0;
  let root = document;
  for (const { op, path, from, value } of operations)
    switch (op) {
      case "add":
        root = add(root, path, value);
        break;
      case "replace":
        // Only what is there can be replaced.
        read(root, path);
        root = path.length === 0 ? value : replace(root, path, value);
        break;
      case "remove":
        root = remove(root, path).root;
        break;
      case "move": {
        if (isInside(path, from)) throw new PatchError(`cannot move ${text(from)} into itself`);
        const taken = remove(root, from);
        root = add(taken.root, path, taken.value);
        break;
      }
      case "copy": {
        const source = copyJson(read(root, from));
        copied += JSON.stringify(source)?.length ?? 0;
        if (copied > copiedBytesLimit)
          throw new PatchError(`the copies of this patch exceed ${copiedBytesLimit} bytes`);
        root = add(root, path, source);
        break;
      }
      case "test": {
        const actual = read(root, path, true);
        if (!equalJson(actual ?? null, value ?? null)) throw new PatchError(`testing value ${text(path)} failed`);
        break;
      }
    }
  return root;
}

function parse(patch: unknown): Operation[] {
  if (!Array.isArray(patch)) throw new PatchError("a JSON patch is a list of operations", true);
  if (patch.length > operationLimit)
    throw new PatchError(
      `The allowed maximum operations in a JSON patch is ${operationLimit}, got ${patch.length}`,
      true,
    );
  return patch.map((each: unknown, at) => {
    if (!isFields(each)) throw new PatchError(`operation ${at} is not an object`, true);
    const { op, path, from, value } = each;
    if (op !== "add" && op !== "remove" && op !== "replace" && op !== "move" && op !== "copy" && op !== "test")
      throw new PatchError(`operation ${at}: unexpected kind ${JSON.stringify(op)}`, true);
    const needsFrom = op === "move" || op === "copy";
    if (!Object.hasOwn(each, "value") && (op === "add" || op === "replace"))
      throw new PatchError(`operation ${at}: ${op} needs a value`, true);
    return {
      op,
      path: pointer(path, at),
      from: needsFrom ? pointer(from, at) : [],
      value: copyJson(value),
    };
  });
}

/** RFC 6901. */
function pointer(value: unknown, at: number): string[] {
  if (typeof value !== "string" || (value !== "" && !value.startsWith("/")))
    throw new PatchError(`operation ${at}: ${JSON.stringify(value)} is not a JSON pointer`, true);
  return value
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function text(path: readonly string[]): string {
  return path.map((step) => `/${step.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function isInside(path: readonly string[], outer: readonly string[]): boolean {
  return path.length > outer.length && outer.every((step, at) => step === path[at]);
}

/** `lenient`: an absent member is undefined, as a test against null wants it. */
function read(root: unknown, path: readonly string[], lenient = false): unknown {
  let value = root;
  for (const [depth, step] of path.entries()) {
    if (Array.isArray(value)) value = value[index(step, value.length - 1, path)];
    else if (isFields(value) && Object.hasOwn(value, step)) value = value[step];
    else if (lenient && isFields(value) && depth === path.length - 1) return undefined;
    else throw new PatchError(`doc is missing path: ${text(path)}`);
  }
  return value;
}

function index(step: string, last: number, path: readonly string[]): number {
  const at = /^(0|[1-9]\d*)$/.test(step) ? Number(step) : -1;
  if (at < 0 || at > last) throw new PatchError(`index ${JSON.stringify(step)} of ${text(path)} is out of bounds`);
  return at;
}

function parentOf(root: unknown, path: readonly string[]): { readonly parent: unknown; readonly last: string } {
  return { parent: read(root, path.slice(0, -1)), last: path[path.length - 1] ?? "" };
}

function add(root: unknown, path: readonly string[], value: unknown): unknown {
  if (path.length === 0) return value;
  const { parent, last } = parentOf(root, path);
  if (Array.isArray(parent)) parent.splice(last === "-" ? parent.length : index(last, parent.length, path), 0, value);
  else if (isFields(parent)) setField(parent, last, value);
  else throw new PatchError(`doc is missing path: ${text(path)}`);
  return root;
}

function replace(root: unknown, path: readonly string[], value: unknown): unknown {
  const { parent, last } = parentOf(root, path);
  if (Array.isArray(parent)) parent[index(last, parent.length - 1, path)] = value;
  else if (isFields(parent)) setField(parent, last, value);
  return root;
}

function remove(root: unknown, path: readonly string[]): { readonly root: unknown; readonly value: unknown } {
  if (path.length === 0) return { root: null, value: root };
  const value = read(root, path);
  const { parent, last }: { parent: unknown; last: string } = parentOf(root, path);
  if (Array.isArray(parent)) parent.splice(index(last, parent.length - 1, path), 1);
  else if (isFields(parent)) deleteField(parent, last);
  return { root, value };
}

function deleteField(fields: Fields, key: string): void {
  delete fields[key];
}
