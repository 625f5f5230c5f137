import { ageColumn, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { ObjectMeta } from "../meta.ts";
import { boolean, bytes, type Infer, map, message, optional, string } from "../schema.ts";

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
});
