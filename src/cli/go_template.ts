/**
 * Go's text/template as `kubectl -o go-template` has it: text with {{actions}}. Paths (.a.b, $.a, $item.a), variables, pipelines,
 * if, else if, with, range (also with $index, $item), break, continue, comments, trimming by {{- -}}, and the functions in
 * `go_template_functions.ts`. A key that is not there prints "<no value>". Throws UsageError with the action that it cannot read.
 */
import { UsageError } from "./failure.ts";
import { callFunction, isFunction, isTrue } from "./go_template_functions.ts";
import { goValue } from "./go_value.ts";
import { isRecord } from "./object.ts";

type Operand =
  | { readonly type: "value"; readonly value: unknown }
  /** `variable` is undefined for the dot; "" is $, the whole object. */
  | { readonly type: "path"; readonly variable: string | undefined; readonly path: readonly string[] }
  | { readonly type: "function"; readonly name: string }
  | { readonly type: "group"; readonly pipeline: Pipeline; readonly path: readonly string[] };

type Pipeline = readonly (readonly Operand[])[];

interface Binding {
  readonly names: readonly string[];
  readonly pipeline: Pipeline;
  readonly assigns: boolean;
}

type Node =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "print"; readonly binding: Binding }
  | { readonly type: "if" | "with" | "range"; readonly binding: Binding; readonly body: Node[]; otherwise: Node[] }
  | { readonly type: "break" }
  | { readonly type: "continue" };

interface Scope {
  readonly dot: unknown;
  readonly variables: ReadonlyMap<string, { value: unknown }>;
}

export function goTemplate(template: string): (value: unknown) => string {
  const nodes = parse(template);
  return (value) => {
    let text = "";
    const write = (piece: string) => {
      text += piece;
    };
    render(nodes, { dot: value, variables: new Map([["", { value }]]) }, write);
    return text;
  };
}

function parse(template: string): Node[] {
  const root: Node[] = [];
  /** Where nodes go now, and the open blocks around it. */
  let into = root;
  const open: {
    readonly node: Extract<Node, { otherwise: Node[] }>;
    readonly outer: Node[];
    readonly chained: boolean;
  }[] = [];
  let at = 0;
  let trimNext = false;
  // A quoted }} does not end an action.
  const actions = /\{\{(-(?=\s))?((?:"(?:[^"\\]|\\.)*"|`[^`]*`|\/\*[\s\S]*?\*\/|(?!\}\})[^"`])*?)((?<=\s)-)?\}\}/g;
  const addText = (text: string, trimEnd: boolean) => {
    let kept = trimNext ? text.trimStart() : text;
    if (trimEnd) kept = kept.trimEnd();
    if (kept !== "") into.push({ type: "text", text: kept });
  };
  const openBlock = (type: "if" | "with" | "range", action: string, chained: boolean) => {
    const node = { type, binding: binding(action), body: [], otherwise: [] };
    into.push(node);
    open.push({ node, outer: into, chained });
    into = node.body;
  };
  for (const match of template.matchAll(actions)) {
    addText(template.slice(at, match.index), match[1] !== undefined);
    trimNext = match[3] !== undefined;
    at = match.index + match[0].length;
    const action = (match[2] ?? "").trim();
    if (action.startsWith("/*")) continue;
    const [word = "", rest = ""] =
      /^(if|with|range|else|end|break|continue)\b\s*([\s\S]*)$/.exec(action)?.slice(1) ?? [];
    if (word === "if" || word === "with" || word === "range") openBlock(word, rest, false);
    else if (word === "else") {
      const block = open.at(-1);
      if (block === undefined) throw unreadable(action, "there is nothing to which it is the other case");
      into = block.node.otherwise;
      const next = /^(if|with)\b\s*([\s\S]*)$/.exec(rest);
      if (next !== null) openBlock(next[1] === "with" ? "with" : "if", next[2] ?? "", true);
    } else if (word === "end") {
      let block = open.pop();
      if (block === undefined) throw unreadable(action, "nothing is open");
      while (block?.chained === true) block = open.pop();
      if (block !== undefined) into = block.outer;
    } else if (word === "break" || word === "continue") {
      if (!open.some(({ node }) => node.type === "range")) throw unreadable(action, "it stands outside of a range");
      into.push({ type: word });
    } else into.push({ type: "print", binding: binding(action) });
  }
  const rest = template.slice(at);
  if (rest.includes("{{")) throw new UsageError(`the template has an open {{ at "${rest.slice(rest.indexOf("{{"))}"`);
  addText(rest, false);
  const unclosed = open[0];
  if (unclosed !== undefined) throw new UsageError(`the template has a {{${unclosed.node.type}}} without {{end}}`);
  return root;
}

function unreadable(action: string, why: string): UsageError {
  return new UsageError(`Cannot read {{${action}}} in the template: ${why}`);
}

const tokenPattern =
  /\s+|"(?:[^"\\]|\\.)*"|`[^`]*`|'(?:[^'\\]|\\.)'|:=|[|(),=]|\$\w*(?:\.\w+)*|(?:\.\w+)+|\.|-?\d+(?:\.\d+)?|\w+/y;

function tokens(action: string): string[] {
  const found: string[] = [];
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < action.length) {
    const from = tokenPattern.lastIndex;
    const [token] = tokenPattern.exec(action) ?? [];
    if (token === undefined) throw unreadable(action, `"${action.slice(from)}" is nothing that Go's templates have`);
    found.push(/^\s/.test(token) ? " " : token);
  }
  return found;
}

/** "$a := pipeline", "$a = pipeline", "$i, $a := pipeline", or a pipeline. */
function binding(action: string): Binding {
  const all = tokens(action);
  const sign = all.findIndex((token) => token === ":=" || token === "=");
  const names = sign < 0 ? [] : all.slice(0, sign).filter((token) => token !== " " && token !== ",");
  if (names.length > 2 || names.some((name) => !/^\$\w+$/.test(name)))
    throw unreadable(action, `before "${all[sign]}" stand one or two variables such as $item`);
  const rest = all.slice(sign + 1);
  const pipeline = readPipeline(rest, action);
  if (rest.length > 0) throw unreadable(action, `unexpected "${rest.join("")}"`);
  return { names: names.map((name) => name.slice(1)), pipeline, assigns: all[sign] === "=" };
}

/** Takes its tokens away from the front, up to a ")" or the end. */
function readPipeline(rest: string[], action: string): Pipeline {
  const commands: Operand[][] = [[]];
  while (rest.length > 0 && rest[0] !== ")") {
    const token = rest.shift() ?? "";
    if (token === "|") commands.push([]);
    else if (token !== " ") commands.at(-1)?.push(operand(token, rest, action));
  }
  if (commands.some((command) => command.length === 0)) throw unreadable(action, "a command is missing");
  return commands;
}

function operand(token: string, rest: string[], action: string): Operand {
  const words = (path: string) => path.split(".").filter((name) => name !== "");
  if (token === "(") {
    const pipeline = readPipeline(rest, action);
    if (rest.shift() !== ")") throw unreadable(action, "a ) is missing");
    const path = rest[0]?.startsWith(".") === true ? words(rest.shift() ?? "") : [];
    return { type: "group", pipeline, path };
  }
  if (token.startsWith(".")) return { type: "path", variable: undefined, path: words(token) };
  if (token.startsWith("$")) {
    const [variable = "", ...path] = token.slice(1).split(".");
    return { type: "path", variable, path };
  }
  if (token.startsWith('"')) return { type: "value", value: quoted(token, action) };
  if (token.startsWith("`")) return { type: "value", value: token.slice(1, -1) };
  if (/^-?\d/.test(token)) return { type: "value", value: Number(token) };
  if (token === "true" || token === "false") return { type: "value", value: token === "true" };
  if (token === "nil") return { type: "value", value: undefined };
  if (isFunction(token)) return { type: "function", name: token };
  throw unreadable(action, /^\w+$/.test(token) ? `function "${token}" not defined` : `unexpected "${token}"`);
}

function quoted(token: string, action: string): unknown {
  try {
    return JSON.parse(token);
  } catch {
    throw unreadable(action, `${token} has an escape that is not one of \\n, \\t, \\", \\\\ or \\uXXXX`);
  }
}

/** Returns what ended the body before its end, if anything did. */
function render(nodes: readonly Node[], scope: Scope, write: (text: string) => void): "break" | "continue" | undefined {
  const variables = new Map(scope.variables);
  const here: Scope = { dot: scope.dot, variables };
  /** A variable that is set is the one declared outside; one that is declared is new. */
  const bind = (target: Map<string, { value: unknown }>, { names, assigns }: Binding, values: readonly unknown[]) => {
    for (const [index, name] of names.entries()) {
      const known = target.get(name);
      if (!assigns) target.set(name, { value: values[index] });
      else if (known === undefined) throw new UsageError(`undefined variable "$${name}" in the template`);
      else known.value = values[index];
    }
  };
  for (const node of nodes) {
    if (node.type === "text") write(node.text);
    else if (node.type === "break" || node.type === "continue") return node.type;
    else if (node.type === "print") {
      const value = evaluate(node.binding.pipeline, here);
      if (node.binding.names.length > 0) bind(variables, node.binding, [value]);
      else write(goValue(value, "<no value>"));
    } else {
      const value = evaluate(node.binding.pipeline, here);
      let ended: "break" | "continue" | undefined;
      if (node.type === "range") {
        const items = entriesOf(value);
        for (const [key, item] of items) {
          const inner = new Map(variables);
          bind(inner, node.binding, node.binding.names.length > 1 ? [key, item] : [item]);
          if (render(node.body, { dot: item, variables: inner }, write) === "break") break;
        }
        if (items.length === 0) ended = render(node.otherwise, here, write);
      } else {
        const inner = new Map(variables);
        bind(inner, node.binding, [value]);
        ended = isTrue(value)
          ? render(node.body, { dot: node.type === "with" ? value : here.dot, variables: inner }, write)
          : render(node.otherwise, { dot: here.dot, variables: inner }, write);
      }
      if (ended !== undefined) return ended;
    }
  }
  return undefined;
}

function entriesOf(value: unknown): [unknown, unknown][] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.map((item, index) => [index, item]);
  if (typeof value === "number") return Array.from({ length: value }, (_, index) => [index, index]);
  if (isRecord(value))
    return Object.keys(value)
      .sort()
      .map((key) => [key, value[key]]);
  throw new Error(`error executing template: range can't iterate over ${goValue(value)}`);
}

function evaluate(pipeline: Pipeline, scope: Scope): unknown {
  let piped: unknown[] = [];
  for (const [first, ...others] of pipeline) {
    if (first?.type === "function")
      piped = [
        callFunction(first.name, [...others.map((other) => () => resolve(other, scope)), ...piped.map((p) => () => p)]),
      ];
    else if (first === undefined || others.length > 0 || piped.length > 0)
      throw new UsageError("the template gives arguments to what is not a function");
    else piped = [resolve(first, scope)];
  }
  return piped[0];
}

function resolve(operand: Operand, scope: Scope): unknown {
  switch (operand.type) {
    case "value":
      return operand.value;
    case "function":
      return callFunction(operand.name, []);
    case "group":
      return follow(evaluate(operand.pipeline, scope), operand.path);
    case "path": {
      if (operand.variable === undefined) return follow(scope.dot, operand.path);
      const variable = scope.variables.get(operand.variable);
      if (variable === undefined) throw new UsageError(`undefined variable "$${operand.variable}" in the template`);
      return follow(variable.value, operand.path);
    }
  }
}

function follow(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const name of path) {
    if (found !== undefined && found !== null && !isRecord(found))
      throw new Error(`error executing template: can't evaluate field ${name} in ${goValue(found)}`);
    found = isRecord(found) && Object.hasOwn(found, name) ? found[name] : undefined;
  }
  return found;
}
