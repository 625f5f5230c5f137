/** What JSON.parse does not say: where a text breaks the grammar, in Go's words, and which keys occur twice. */
export interface JsonScan {
  /** As Go's encoding/json says it: `invalid character 'x' looking for beginning of value`. */
  readonly error?: string;
  /** Paths of repeated keys, in order: `spec.containers[0].name`. */
  readonly duplicates: readonly string[];
}

/** Deeper texts are refused, as Go does: they serve only to exhaust a stack. */
const maxDepth = 1000;
const maxDuplicates = 100;

class SyntaxFault extends Error {}

export function scanJson(text: string): JsonScan {
  const duplicates: string[] = [];
  let at = 0;

  const shown = (char: string): string =>
    char === "'" ? `'\\''` : char === '"' ? `'"'` : `'${JSON.stringify(char).slice(1, -1)}'`;
  const fault = (context: string): never => {
    if (at >= text.length) throw new SyntaxFault("unexpected end of JSON input");
    throw new SyntaxFault(`invalid character ${shown(String.fromCodePoint(text.codePointAt(at) ?? 0))} ${context}`);
  };
  const space = () => {
    for (;;) {
      const char = text[at];
      if (char !== " " && char !== "\n" && char !== "\t" && char !== "\r") return;
      at++;
    }
  };
  /** The raw text between the quotes; escapes are decoded only where they occur. */
  const string = (): string => {
    const start = ++at;
    let escaped = false;
    for (;;) {
      const code = text.charCodeAt(at);
      if (Number.isNaN(code) || code < 0x20) fault("in string literal");
      if (code === 0x22) break;
      if (code === 0x5c) {
        escaped = true;
        at++;
        if (!/["\\/bfnrtu]/.test(text[at] ?? "")) fault("in string escape code");
        if (text[at] === "u")
          for (let digit = 0; digit < 4; digit++) {
            at++;
            if (!/[0-9a-fA-F]/.test(text[at] ?? "")) fault("in \\u hexadecimal character escape");
          }
      }
      at++;
    }
    const raw = text.slice(start, at++);
    return escaped ? String(JSON.parse(`"${raw}"`)) : raw;
  };
  const literal = (word: string) => {
    for (let index = 0; index < word.length; index++, at++)
      if (text[at] !== word[index]) fault(`in literal ${word} (expecting ${shown(word[index] ?? "")})`);
  };
  const digits = (context: string) => {
    if (!/[0-9]/.test(text[at] ?? "")) fault(context);
    while (/[0-9]/.test(text[at] ?? "")) at++;
  };
  const number = () => {
    if (text[at] === "-") at++;
    if (text[at] === "0") at++;
    else digits("in numeric literal");
    if (text[at] === ".") {
      at++;
      digits("after decimal point in numeric literal");
    }
    if (text[at] === "e" || text[at] === "E") {
      at++;
      if (text[at] === "+" || text[at] === "-") at++;
      digits("in exponent of numeric literal");
    }
  };
  const object = (path: string, depth: number) => {
    const seen = new Set<string>();
    at++;
    space();
    if (text[at] === "}") {
      at++;
      return;
    }
    for (;;) {
      space();
      if (text[at] !== '"') fault("looking for beginning of object key string");
      const key = string();
      const here = path === "" ? key : `${path}.${key}`;
      if (seen.has(key)) {
        if (duplicates.length < maxDuplicates && !duplicates.includes(here)) duplicates.push(here);
      } else seen.add(key);
      space();
      if (text[at] !== ":") fault("after object key");
      at++;
      value(here, depth);
      space();
      const char = text[at];
      if (char === ",") at++;
      else if (char === "}") {
        at++;
        return;
      } else fault("after object key:value pair");
    }
  };
  const array = (path: string, depth: number) => {
    at++;
    space();
    if (text[at] === "]") {
      at++;
      return;
    }
    for (let index = 0; ; index++) {
      value(`${path}[${index}]`, depth);
      space();
      const char = text[at];
      if (char === ",") at++;
      else if (char === "]") {
        at++;
        return;
      } else fault("after array element");
    }
  };
  const value = (path: string, depth: number): void => {
    if (depth > maxDepth) throw new SyntaxFault("exceeded max depth");
    space();
    const char = text[at];
    if (char === "{") object(path, depth + 1);
    else if (char === "[") array(path, depth + 1);
    else if (char === '"') string();
    else if (char === "t") literal("true");
    else if (char === "f") literal("false");
    else if (char === "n") literal("null");
    else if (char === "-" || (char !== undefined && char >= "0" && char <= "9")) number();
    else fault("looking for beginning of value");
  };

  try {
    value("", 0);
    space();
    if (at < text.length) fault("after top-level value");
    return { duplicates };
  } catch (error) {
    if (error instanceof SyntaxFault) return { error: error.message, duplicates };
    throw error;
  }
}
