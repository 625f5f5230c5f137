import type { LabelSelector } from "./meta.ts";
import { labelValueProblems, qualifiedNameProblems } from "./names.ts";
import type { DeepReadonly } from "./schema.ts";

type Labels = Readonly<Record<string, string>> | undefined;

/** One term of a selector. "in" with one value and "=" are different texts for the same thing. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: "=" | "==" | "!=" | "in" | "notin" | "exists" | "!" | ">" | "<";
  readonly values: readonly string[];
}

/** All terms must hold; none match everything. */
export type LabelRequirements = readonly LabelRequirement[];

/** The text is Kubernetes' own; the API answers 400 with it. */
export class SelectorError extends Error {
  override readonly name = "SelectorError";
}

export function matchesLabels(requirements: LabelRequirements, labels: Labels): boolean {
  for (const requirement of requirements) if (!holds(requirement, labels)) return false;
  return true;
}

function holds({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "=":
    case "==":
    case "in":
      return value !== undefined && values.includes(value);
    case "!=":
    case "notin":
      return value === undefined || !values.includes(value);
    case "exists":
      return value !== undefined;
    case "!":
      return value === undefined;
    case ">":
    case "<": {
      const wanted = values[0] ?? "";
      if (value === undefined || !/^[+-]?\d+$/.test(value) || !/^[+-]?\d+$/.test(wanted)) return false;
      const difference = BigInt(value.replace("+", "")) - BigInt(wanted.replace("+", ""));
      return operator === ">" ? difference > 0n : difference < 0n;
    }
  }
}

/** A Service's selector, or matchLabels alone: every pair must be there. Empty matches everything. */
export function matchesMap(selector: Labels, labels: Labels): boolean {
  if (selector === undefined) return true;
  for (const [key, value] of Object.entries(selector)) {
    if (labels === undefined || !Object.hasOwn(labels, key) || labels[key] !== value) return false;
  }
  return true;
}

const operators = { In: "in", NotIn: "notin", Exists: "exists", DoesNotExist: "!" } as const;

/**
 * The terms of a LabelSelector object, sorted by key. undefined for an absent selector, which matches nothing (an empty
 * one matches everything). Throws SelectorError for an operator that is none.
 */
export function requirementsOf(selector: DeepReadonly<LabelSelector> | undefined): LabelRequirements | undefined {
  if (selector === undefined) return undefined;
  const requirements: LabelRequirement[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {}))
    requirements.push({ key, operator: "=", values: [value] });
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const known = Object.entries(operators).find(([name]) => name === operator)?.[1];
    if (known === undefined)
      throw new SelectorError(`${JSON.stringify(operator)} is not a valid label selector operator`);
    requirements.push({ key, operator: known, values });
  }
  return byKey(requirements);
}

/** Whether labels match a LabelSelector object. An absent selector matches nothing. */
export function matchesSelector(selector: DeepReadonly<LabelSelector> | undefined, labels: Labels): boolean {
  const requirements = requirementsOf(selector);
  return requirements !== undefined && matchesLabels(requirements, labels);
}

function byKey(requirements: readonly LabelRequirement[]): LabelRequirement[] {
  return [...requirements].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

export function requirementsString(requirements: LabelRequirements): string {
  return requirements
    .map(({ key, operator, values }) => {
      const list = [...values].sort().join(",");
      if (operator === "exists") return key;
      if (operator === "!") return `!${key}`;
      return operator === "in" || operator === "notin" ? `${key} ${operator} (${list})` : `${key}${operator}${list}`;
    })
    .join(",");
}

/** A LabelSelector object in the query language: "app=web,!canary,tier in (a,b)". "" for an absent or empty one. */
export function selectorString(selector: DeepReadonly<LabelSelector> | undefined): string {
  return requirementsString(requirementsOf(selector) ?? []);
}

/** For people: "<none>" where nothing is selected by. */
export function selectorText(selector: DeepReadonly<LabelSelector> | undefined): string {
  try {
    return selectorString(selector) || "<none>";
  } catch (error) {
    if (error instanceof SelectorError) return "<error>";
    throw error;
  }
}

/** Labels for people: "app=web,tier=a", "<none>". */
export function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? "<none>" : pairs.sort().join(",");
}

/** Parses the query language of `-l` and `labelSelector=`. Throws SelectorError. */
export function parseLabelSelector(text: string): LabelRequirements {
  return byKey(new Parser(text).parse());
}

const special = /^(==|!=|[=!(),<>])$/;

class Parser {
  readonly #tokens: string[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = text.match(/==|!=|[=!(),<>]|[^\s=!(),<>]+/g) ?? [];
  }

  /** "" is the end. */
  #peek(): string {
    return this.#tokens[this.#at] ?? "";
  }

  #take(): string {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  #isWord(token: string): boolean {
    return token !== "" && !special.test(token);
  }

  parse(): LabelRequirement[] {
    const requirements: LabelRequirement[] = [];
    if (this.#peek() === "") return requirements;
    if (!this.#isWord(this.#peek()) && this.#peek() !== "!")
      throw unparsable(`found '${this.#peek()}', expected: !, identifier, or 'end of string'`);
    for (;;) {
      requirements.push(this.#requirement());
      const separator = this.#take();
      if (separator === "") return requirements;
      if (separator !== ",") throw unparsable(`found '${separator}', expected: ',' or 'end of string'`);
      const next = this.#peek();
      if (!this.#isWord(next) && next !== "!") throw unparsable(`found '${next}', expected: identifier after ','`);
    }
  }

  #requirement(): LabelRequirement {
    const negated = this.#peek() === "!";
    if (negated) this.#take();
    const key = this.#take();
    if (!this.#isWord(key)) throw unparsable(`found '${key}', expected: identifier`);
    const problem = qualifiedNameProblems(key)[0];
    if (problem !== undefined) throw unparsable(`key: Invalid value: ${JSON.stringify(key)}: ${problem}`);
    if (negated) return { key, operator: "!", values: [] };
    if (this.#peek() === "" || this.#peek() === ",") return { key, operator: "exists", values: [] };

    const operator = this.#take();
    switch (operator) {
      case "=":
      case "==":
      case "!=":
        return checked({ key, operator, values: [this.#exactValue()] });
      case ">":
      case "<": {
        const value = this.#exactValue();
        if (!/^[+-]?\d+$/.test(value))
          throw unparsable(
            `values[0]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
          );
        return { key, operator, values: [value] };
      }
      case "in":
      case "notin":
        return checked({ key, operator, values: this.#valueSet() });
      default:
        throw unparsable(`found '${operator}', expected: in, notin, =, ==, !=, gt, lt`);
    }
  }

  #exactValue(): string {
    if (this.#peek() === "" || this.#peek() === ",") return "";
    const value = this.#take();
    if (!this.#isWord(value)) throw unparsable(`found '${value}', expected: identifier`);
    return value;
  }

  #valueSet(): string[] {
    const open = this.#take();
    if (open !== "(") throw unparsable(`found '${open}' expected: '('`);
    const values = new Set<string>();
    for (;;) {
      const token = this.#peek();
      if (this.#isWord(token)) values.add(this.#take());
      else if (token === "," || token === ")") values.add("");
      else throw unparsable(`found '${token}', expected: ',', ')' or identifier`);
      const separator = this.#take();
      if (separator === ")") return [...values];
      if (separator !== ",") throw unparsable(`found '${separator}', expected: ',' or ')'`);
    }
  }
}

function checked(requirement: LabelRequirement): LabelRequirement {
  for (const [index, value] of requirement.values.entries()) {
    const problem = labelValueProblems(value)[0];
    if (problem !== undefined)
      throw unparsable(`values[${index}][${requirement.key}]: Invalid value: ${JSON.stringify(value)}: ${problem}`);
  }
  return requirement;
}

function unparsable(detail: string): SelectorError {
  return new SelectorError(`unable to parse requirement: ${detail}`);
}
