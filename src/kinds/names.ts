/**
 * What names may be. Each function returns the texts of what is wrong, none when the value is right; the texts are
 * Kubernetes' own, because users know them and search for them.
 */
export type NameCheck = (value: string) => string[];

const encoder = new TextEncoder();

/** Go's len(): bytes. */
export function byteLength(text: string): number {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 127) return encoder.encode(text).length;
  return text.length;
}

export function tooManyCharacters(limit: number): string {
  return `must be no more than ${limit} characters`;
}

export function outsideRange(low: number, high: number): string {
  return `must be between ${low} and ${high}, inclusive`;
}

function explained(what: string, pattern: string, ...examples: string[]): string {
  if (examples.length === 0) return `${what} (regex used for validation is '${pattern}')`;
  const shown = examples.map((example) => `'${example}', `).join(" or ");
  return `${what} (e.g. ${shown}regex used for validation is '${pattern}')`;
}

function matching(pattern: string): RegExp {
  return new RegExp(`^${pattern}$`);
}

const label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const labelRegExp = matching(label);
const subdomain = `${label}(\\.${label})*`;
const subdomainRegExp = matching(subdomain);
const label1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
const label1035RegExp = matching(label1035);

/** RFC 1123 label: at most 63 characters. */
export const dnsLabelProblems: NameCheck = (value) => {
  const problems: string[] = [];
  if (byteLength(value) > 63) problems.push(tooManyCharacters(63));
  if (labelRegExp.test(value)) return problems;
  if (subdomainRegExp.test(value)) problems.push("must not contain dots");
  else
    problems.push(
      explained(
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
        label,
        "my-name",
        "123-abc",
      ),
    );
  return problems;
};

/** RFC 1123 subdomain: at most 253 characters. */
export const dnsSubdomainProblems: NameCheck = (value) => {
  const problems: string[] = [];
  if (byteLength(value) > 253) problems.push(tooManyCharacters(253));
  if (!subdomainRegExp.test(value))
    problems.push(
      explained(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
        subdomain,
        "example.com",
      ),
    );
  return problems;
};

/** RFC 1035 label: starts with a letter. Service names. */
export const dns1035LabelProblems: NameCheck = (value) => {
  const problems: string[] = [];
  if (byteLength(value) > 63) problems.push(tooManyCharacters(63));
  if (!label1035RegExp.test(value))
    problems.push(
      explained(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
        label1035,
        "my-name",
        "abc-123",
      ),
    );
  return problems;
};

/** A name that can stand in a URL's path, and no more is asked of it. */
export const pathSegmentProblems: NameCheck = (value) => {
  if (value === "." || value === "..") return [`may not be '${value}'`];
  const problems: string[] = [];
  for (const illegal of ["/", "%"]) if (value.includes(illegal)) problems.push(`may not contain '${illegal}'`);
  return problems;
};

const qualifiedName = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const qualifiedNameRegExp = matching(qualifiedName);
const qualifiedNameText = explained(
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  qualifiedName,
  "MyName",
  "my.name",
  "123-abc",
);

/** Label keys, annotation keys (lower-cased first), finalizers, resource names: a name, optionally after "PREFIX/". */
export const qualifiedNameProblems: NameCheck = (value) => {
  const problems: string[] = [];
  const parts = value.split("/");
  if (parts.length > 2)
    return [
      `a valid label key ${qualifiedNameText} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  const name = parts[parts.length - 1] ?? "";
  if (parts.length === 2) {
    const prefix = parts[0] ?? "";
    if (prefix === "") problems.push("prefix part must be non-empty");
    else problems.push(...dnsSubdomainProblems(prefix).map((problem) => `prefix part ${problem}`));
  }
  if (name === "") problems.push("name part must be non-empty");
  else if (byteLength(name) > 63) problems.push(`name part ${tooManyCharacters(63)}`);
  if (!qualifiedNameRegExp.test(name)) problems.push(`name part ${qualifiedNameText}`);
  return problems;
};

const labelValue = `(${qualifiedName})?`;
const labelValueRegExp = matching(labelValue);

export const labelValueProblems: NameCheck = (value) => {
  const problems: string[] = [];
  if (byteLength(value) > 63) problems.push(tooManyCharacters(63));
  if (!labelValueRegExp.test(value))
    problems.push(
      explained(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        labelValue,
        "MyValue",
        "my_value",
        "12345",
      ),
    );
  return problems;
};

/** An IANA service name: the name of a container's port, and what a probe or targetPort may say. */
export const portNameProblems: NameCheck = (value) => {
  const problems: string[] = [];
  if (byteLength(value) > 15) problems.push(tooManyCharacters(15));
  if (!/^[-a-z0-9]+$/.test(value))
    problems.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  if (!/[a-z]/.test(value)) problems.push("must contain at least one letter (a-z)");
  if (value.includes("--")) problems.push("must not contain consecutive hyphens");
  if (value.startsWith("-") || value.endsWith("-")) problems.push("must not begin or end with a hyphen");
  return problems;
};

export function portNumberProblems(port: number): string[] {
  return port >= 1 && port <= 65535 ? [] : [outsideRange(1, 65535)];
}

export const envNameProblems: NameCheck = (value) => {
  if (value === "") return ["environment variable name must be non-empty"];
  return /^[\x20-\x3c\x3e-\x7e]+$/.test(value)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
};

/** The keys of ConfigMaps and Secrets: they become file names. */
export const configKeyProblems: NameCheck = (value) => {
  const problems: string[] = [];
  if (byteLength(value) > 253) problems.push(tooManyCharacters(253));
  if (!/^[-._a-zA-Z0-9]+$/.test(value))
    problems.push(
      explained(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        "[-._a-zA-Z0-9]+",
        "key.name",
        "KEY_NAME",
        "key-name",
      ),
    );
  if (value === "." || value === "..") problems.push(`must not be '${value}'`);
  else if (value.startsWith("..")) problems.push("must not start with '..'");
  return problems;
};

export const percentProblems: NameCheck = (value) =>
  /^[0-9]+%$/.test(value)
    ? []
    : [explained("a valid percent string must be a numeric string followed by an ending '%'", "[0-9]+%", "1%", "93%")];

export const httpHeaderNameProblems: NameCheck = (value) =>
  /^[-A-Za-z0-9]+$/.test(value)
    ? []
    : [
        explained(
          "a valid HTTP header must consist of alphanumeric characters or '-'",
          "[-A-Za-z0-9]+",
          "X-Header-Name",
        ),
      ];

export type NameRule = "subdomain" | "label" | "label1035" | "path";

const rules: Readonly<Record<NameRule, NameCheck>> = {
  subdomain: dnsSubdomainProblems,
  label: dnsLabelProblems,
  label1035: dns1035LabelProblems,
  path: pathSegmentProblems,
};

/** `prefix`: the value is a generateName, to which a random tail is added, so it may end in "-" or ".". */
export function nameProblems(rule: NameRule, value: string, prefix = false): string[] {
  // Kubernetes puts a letter in the place of the tail.
  return rules[rule](prefix && /[-.]$/.test(value) && rule !== "path" ? `${value.slice(0, -1)}a` : value);
}
