import { goJson } from "./serialise.ts";

/**
 * kubectl's JSONPath templates: text with {expressions}. Paths (.a.b, ["a.b"], [0], [-1], [1:3], [::2], [0,2], ["a","b"], [*],
 * .*, ..a), filters ([?(@.a=="x")]), {range}...{end}, quoted text, @ and $. Throws JsonPathError with the place.
 */
export class JsonPathError extends Error {
  override readonly name = "JsonPathError";
}

type Step =
  | { readonly type: "field"; readonly names: readonly string[] }
  | { readonly type: "index"; readonly indices: readonly number[] }
  | {
      readonly type: "slice";
      readonly from: number | undefined;
      readonly to: number | undefined;
      readonly step: number;
    }
  | { readonly type: "all" }
  | { readonly type: "descend" }
  | { readonly type: "filter"; readonly left: Operand; readonly operator: string; readonly right: Operand | undefined };

type Operand =
  | { readonly type: "path"; readonly root: "@" | "$"; readonly steps: readonly Step[] }
  | { readonly type: "value"; readonly value: unknown };

/** Outside of a filter "@" and "$" both are the value at hand (in a range the item), as kubectl has it. */
type Node =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "path"; readonly steps: readonly Step[] }
  | { readonly type: "range"; readonly steps: readonly Step[]; readonly body: readonly Node[] };

export interface JsonPathOptions {
  /** A missing key prints nothing (kubectl get); else it is an error. */
  readonly allowMissingKeys?: boolean;
}

/** A template, compiled. Returns the text for one value. */
export function jsonPath(
  template: string,
  { allowMissingKeys = true }: JsonPathOptions = {},
): (value: unknown) => string {
  const parser = new Parser(relaxed(template));
  const nodes = parser.template(false);
  return (value) => render(nodes, value, value, allowMissingKeys);
}

/** All that a template's paths find, in their order; its text is left out (-o jsonpath-as-json). */
export function jsonPathList(template: string): (value: unknown) => unknown[] {
  const nodes = new Parser(relaxed(template)).template(false);
  const list = (inside: readonly Node[], value: unknown, root: unknown): unknown[] =>
    inside.flatMap((node) => {
      if (node.type === "text") return [];
      const found = walk(node.steps, [value], root, true);
      return node.type === "path" ? found : rangeItems(found).flatMap((item) => list(node.body, item, root));
    });
  return (value) => list(nodes, value, value);
}

/** A single path ("{.status.phase}" or ".status.phase" or "status.phase") and what it finds. */
export function jsonPathValues(path: string, value: unknown): unknown[] {
  const nodes = new Parser(relaxed(path)).template(false);
  const found = nodes.find((node) => node.type === "path");
  return found?.type === "path" ? walk(found.steps, [value], value, true) : [];
}

/** Braces may be left out around a whole path, and so may the first dot. */
function relaxed(template: string): string {
  if (template.includes("{")) return template;
  if (template === "") throw new JsonPathError("the template is empty: write a path such as {.metadata.name}");
  return /^[.[$@]/.test(template) ? `{${template}}` : `{.${template}}`;
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  #fail(why: string): never {
    throw new JsonPathError(`the JSONPath template "${this.#text}" ${why} at character ${this.#at + 1}`);
  }

  #skipSpaces(): void {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
  }

  #eat(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  /** Up to the end, or inside a range up to {end}. */
  template(inRange: boolean): Node[] {
    const nodes: Node[] = [];
    while (this.#at < this.#text.length) {
      const open = this.#text.indexOf("{", this.#at);
      const end = open < 0 ? this.#text.length : open;
      if (end > this.#at) nodes.push({ type: "text", text: this.#text.slice(this.#at, end) });
      this.#at = end;
      if (open < 0) break;
      this.#at++;
      this.#skipSpaces();
      if (/^end\s*\}/.test(this.#text.slice(this.#at))) {
        if (!inRange) this.#fail("has an {end} without {range}");
        this.#at = this.#text.indexOf("}", this.#at) + 1;
        return nodes;
      }
      if (/^range\s/.test(this.#text.slice(this.#at))) {
        this.#at += "range".length;
        this.#skipSpaces();
        const { steps } = this.#path();
        this.#close();
        nodes.push({ type: "range", steps, body: this.template(true) });
        continue;
      }
      while (!this.#eat("}")) {
        if (this.#at >= this.#text.length) this.#fail("has an open {");
        const quote = this.#text[this.#at];
        if (quote === '"' || quote === "'") nodes.push({ type: "text", text: this.#quoted() });
        else nodes.push({ type: "path", steps: this.#path().steps });
        this.#skipSpaces();
      }
    }
    if (inRange) this.#fail("has a {range} without {end}");
    return nodes;
  }

  #close(): void {
    this.#skipSpaces();
    if (!this.#eat("}")) this.#fail("wants a }");
  }

  #quoted(): string {
    const quote = this.#text[this.#at++];
    let value = "";
    for (;;) {
      const char = this.#text[this.#at++];
      if (char === undefined) this.#fail("has an open quotation mark");
      if (char === quote) return value;
      if (char !== "\\") value += char;
      else {
        const escaped = this.#text[this.#at++] ?? "";
        const known: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };
        value += known[escaped] ?? escaped;
      }
    }
  }

  #path(): { root: "@" | "$"; steps: Step[] } {
    const root = this.#eat("@") ? "@" : "$";
    if (root === "$") this.#eat("$");
    const steps: Step[] = [];
    // A bare first word: {metadata.name}.
    if (/[\w-]/.test(this.#text[this.#at] ?? "")) steps.push({ type: "field", names: [this.#name()] });
    for (;;) {
      if (this.#eat("..")) {
        steps.push({ type: "descend" });
        if (this.#eat("*")) steps.push({ type: "all" });
        else if (this.#text[this.#at] !== "[") steps.push({ type: "field", names: [this.#name()] });
      } else if (this.#eat(".")) {
        if (this.#eat("*")) steps.push({ type: "all" });
        else if (this.#text[this.#at] !== "[" && !this.#atEnd()) steps.push({ type: "field", names: [this.#name()] });
      } else if (this.#eat("[")) steps.push(this.#bracket());
      else break;
    }
    if (steps.length === 0 && this.#text[this.#at] !== "}" && !this.#atEnd()) this.#fail("wants a path");
    return { root, steps };
  }

  #atEnd(): boolean {
    return /^[\s})\]=<>!]|^$/.test(this.#text.slice(this.#at));
  }

  #name(): string {
    let name = "";
    for (;;) {
      const char = this.#text[this.#at];
      if (char === "\\") {
        name += this.#text[this.#at + 1] ?? "";
        this.#at += 2;
      } else if (char === undefined || /[\s.[\]{}()=<>!,"'|&]/.test(char)) break;
      else {
        name += char;
        this.#at++;
      }
    }
    if (name === "") this.#fail("wants a field's name");
    return name;
  }

  #bracket(): Step {
    this.#skipSpaces();
    if (this.#eat("?(")) {
      const filter = this.#filter();
      this.#skipSpaces();
      if (!this.#eat(")")) this.#fail("wants a ) after the filter");
      this.#closeBracket();
      return filter;
    }
    if (this.#eat("*")) {
      this.#closeBracket();
      return { type: "all" };
    }
    const quote = this.#text[this.#at];
    if (quote === '"' || quote === "'") {
      const names = [this.#quoted()];
      this.#skipSpaces();
      while (this.#eat(",")) {
        this.#skipSpaces();
        names.push(this.#quoted());
        this.#skipSpaces();
      }
      this.#closeBracket();
      return { type: "field", names };
    }
    const close = this.#text.indexOf("]", this.#at);
    if (close < 0) this.#fail("has an open [");
    const inside = this.#text.slice(this.#at, close).trim();
    const slice = /^(-?\d*)\s*:\s*(-?\d*)(?:\s*:\s*(-?\d*))?$/.exec(inside);
    const list = /^-?\d+(\s*,\s*-?\d+)*$/.exec(inside);
    if (slice === null && list === null) this.#fail(`has [${inside}], which is neither an index nor a slice,`);
    this.#at = close + 1;
    if (list !== null) return { type: "index", indices: inside.split(",").map(Number) };
    const bound = (text: string | undefined) => (text === undefined || text === "" ? undefined : Number(text));
    return { type: "slice", from: bound(slice?.[1]), to: bound(slice?.[2]), step: bound(slice?.[3]) ?? 1 };
  }

  #closeBracket(): void {
    this.#skipSpaces();
    if (!this.#eat("]")) this.#fail("wants a ]");
  }

  #filter(): Step {
    const left = this.#operand();
    this.#skipSpaces();
    const operator = ["==", "!=", "<=", ">=", "<", ">"].find((token) => this.#eat(token));
    if (operator === undefined) return { type: "filter", left, operator: "exists", right: undefined };
    return { type: "filter", left, operator, right: this.#operand() };
  }

  #operand(): Operand {
    this.#skipSpaces();
    const char = this.#text[this.#at] ?? "";
    if (char === '"' || char === "'") return { type: "value", value: this.#quoted() };
    if (char === "@" || char === "$" || char === ".") return { type: "path", ...this.#path() };
    const word = /^[-\w.]+/.exec(this.#text.slice(this.#at))?.[0];
    if (word === undefined) this.#fail("wants a value or a path");
    this.#at += word.length;
    if (word === "true" || word === "false") return { type: "value", value: word === "true" };
    if (!Number.isNaN(Number(word))) return { type: "value", value: Number(word) };
    return this.#fail(`has ${word}, which is no number: quote it`);
  }
}

function render(nodes: readonly Node[], value: unknown, root: unknown, allowMissing: boolean): string {
  let text = "";
  for (const node of nodes) {
    if (node.type === "text") text += node.text;
    else {
      const found = walk(node.steps, [value], root, allowMissing);
      if (node.type === "path") text += found.map(textOf).join(" ");
      else {
        for (const item of rangeItems(found)) text += render(node.body, item, root, allowMissing);
      }
    }
  }
  return text;
}

/** One list is gone through; several values are gone through themselves. */
function rangeItems(found: readonly unknown[]): readonly unknown[] {
  const [only] = found;
  return found.length === 1 && Array.isArray(only) ? only : found;
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? goJson(value) : String(value);
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function childrenOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  if (!isMap(value)) return [];
  return Object.keys(value)
    .sort()
    .map((key) => value[key]);
}

function walk(steps: readonly Step[], values: readonly unknown[], root: unknown, allowMissing: boolean): unknown[] {
  let found = [...values];
  let afterDescend = false;
  for (const step of steps) {
    found = found.flatMap((value) => take(step, value, root, allowMissing || afterDescend));
    afterDescend = step.type === "descend";
  }
  return found;
}

function take(step: Step, value: unknown, root: unknown, allowMissing: boolean): unknown[] {
  switch (step.type) {
    case "field":
      return step.names.flatMap((name) => {
        if (isMap(value) && Object.hasOwn(value, name)) return [value[name]];
        if (allowMissing) return [];
        throw new JsonPathError(`${name} is not found`);
      });
    case "all":
      return childrenOf(value);
    case "descend": {
      const all: unknown[] = [];
      const visit = (node: unknown) => {
        all.push(node);
        for (const child of childrenOf(node)) if (typeof child === "object") visit(child);
      };
      visit(value);
      return all;
    }
    case "index": {
      if (!Array.isArray(value)) return [];
      return step.indices.flatMap((index) => {
        const at = index < 0 ? value.length + index : index;
        if (at >= 0 && at < value.length) return [value[at]];
        throw new JsonPathError(`array index out of bounds: index ${index}, length ${value.length}`);
      });
    }
    case "slice": {
      if (!Array.isArray(value)) return [];
      const bound = (index: number | undefined, otherwise: number) =>
        index === undefined ? otherwise : Math.min(Math.max(0, index < 0 ? value.length + index : index), value.length);
      if (step.step <= 0) throw new JsonPathError("a slice's step must be greater than 0");
      const items: unknown[] = [];
      for (let at = bound(step.from, 0); at < bound(step.to, value.length); at += step.step) items.push(value[at]);
      return items;
    }
    case "filter":
      return childrenOf(value).filter((item) => holds(step, item, root));
  }
}

function holds(filter: Extract<Step, { type: "filter" }>, item: unknown, root: unknown): boolean {
  const evaluate = (operand: Operand): unknown[] =>
    operand.type === "value" ? [operand.value] : walk(operand.steps, [operand.root === "@" ? item : root], root, true);
  const left = evaluate(filter.left);
  if (filter.right === undefined) return left.length > 0;
  const right = evaluate(filter.right);
  if (left.length === 0 || right.length === 0) return false;
  const [a] = left;
  const [b] = right;
  switch (filter.operator) {
    case "==":
      return a === b;
    case "!=":
      return a !== b;
    default: {
      if (typeof a !== typeof b || (typeof a !== "number" && typeof a !== "string")) return false;
      // Sound: both are numbers or both are strings.
      const order = (a as number) < (b as number) ? -1 : a === b ? 0 : 1;
      if (filter.operator === "<") return order < 0;
      if (filter.operator === "<=") return order <= 0;
      return filter.operator === ">" ? order > 0 : order >= 0;
    }
  }
}
