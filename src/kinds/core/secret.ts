import { ageColumn, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { ObjectMeta } from "../meta.ts";
import { boolean, bytes, type DeepReadonly, type Infer, map, message, optional, string } from "../schema.ts";
import { invalidValue, requiredValue } from "../status_error.ts";
import { checkImmutable, type Errors } from "../validation.ts";
import { checkKeys, checkSealed, checkSize } from "./config_data_validation.ts";

export const Secret = message("io.k8s.api.core.v1.Secret", {
  apiVersion: optional([], string),
  data: optional(2, map(bytes)),
  immutable: optional(5, boolean),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
  stringData: optional(4, map(string)),
  type: optional(3, string),
});
export type Secret = Infer<typeof Secret>;

/** Text that a user may write instead of base64; it wins, and is never stored or read back. */
function foldStringData(secret: Secret): void {
  if (secret.stringData === undefined) return;
  const { stringData } = secret;
  delete secret.stringData;
  const entries = Object.entries(stringData).map(([key, text]) => [key, base64OfText(text)] as const);
  if (entries.length > 0) secret.data = { ...secret.data, ...Object.fromEntries(entries) };
}

function base64OfText(text: string): string {
  let binary = "";
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

type Content = DeepReadonly<Pick<Secret, "immutable" | "data">>;

/** What a secret of a well-known type must hold. */
function validateType({ type, data = {}, metadata }: Secret): Errors {
  const need = (...keys: string[]) =>
    keys.filter((key) => !Object.hasOwn(data, key)).map((key) => requiredValue(`data[${key}]`));
  switch (type) {
    case "kubernetes.io/service-account-token": {
      const account = "kubernetes.io/service-account.name";
      return metadata?.annotations?.[account] ? [] : [requiredValue(`metadata.annotations[${account}]`)];
    }
    case "kubernetes.io/dockercfg":
      return [...need(".dockercfg"), ...validateJson(data, ".dockercfg")];
    case "kubernetes.io/dockerconfigjson":
      return [...need(".dockerconfigjson"), ...validateJson(data, ".dockerconfigjson")];
    case "kubernetes.io/basic-auth":
      return Object.hasOwn(data, "username") || Object.hasOwn(data, "password") ? [] : need("username", "password");
    case "kubernetes.io/ssh-auth":
      return data["ssh-privatekey"] ? [] : [requiredValue("data[ssh-privatekey]")];
    case "kubernetes.io/tls":
      return need("tls.crt", "tls.key");
    default:
      return [];
  }
}

function validateJson(data: Readonly<Record<string, string>>, key: string): Errors {
  const text = data[key];
  if (text === undefined) return [];
  try {
    JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(text), (char) => char.charCodeAt(0))));
    return [];
  } catch (error) {
    // The secret's own text must not get into a message.
    const detail = error instanceof SyntaxError ? "must be valid JSON" : String(error);
    return [invalidValue(`data[${key}]`, "<secret contents redacted>", detail)];
  }
}

export const secretKind = defineKind<typeof Secret>({
  group: "",
  version: "v1",
  kind: "Secret",
  plural: "secrets",
  singular: "secret",
  namespaced: true,
  schema: Secret,
  columns: [
    nameColumn,
    { name: "Type", type: "string", description: "What the secret is for.", cell: ({ type }) => type ?? "" },
    {
      name: "Data",
      type: "integer",
      description: "How many keys there are.",
      cell: ({ data = {} }) => Object.keys(data).length,
    },
    ageColumn,
  ],
  selectableFields: { type: (secret) => secret.type ?? "" },
  defaults(secret) {
    secret.type ||= "Opaque";
    foldStringData(secret);
  },
  validate(secret, { old }) {
    const data = secret.data ?? {};
    return [
      ...checkKeys(data, "data"),
      ...checkSize({}, data),
      ...validateType(secret),
      ...(old === undefined
        ? []
        : [...checkImmutable(secret.type, old.type, "type"), ...checkSealed<Content>(secret, old, ["data"])]),
    ];
  },
});
