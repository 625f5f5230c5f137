import { ageColumn, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { ObjectMeta } from "../meta.ts";
import { boolean, bytes, type DeepReadonly, type Infer, map, message, optional, string } from "../schema.ts";
import { checkKeys, checkSealed, checkSize, checkTwice } from "./config_data_validation.ts";

export const ConfigMap = message("io.k8s.api.core.v1.ConfigMap", {
  apiVersion: optional([], string),
  binaryData: optional(3, map(bytes)),
  data: optional(2, map(string)),
  immutable: optional(4, boolean),
  kind: optional([], string),
  metadata: optional(1, ObjectMeta),
});
export type ConfigMap = Infer<typeof ConfigMap>;

type Content = DeepReadonly<Pick<ConfigMap, "immutable" | "data" | "binaryData">>;

export const configMapKind = defineKind<typeof ConfigMap>({
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  singular: "configmap",
  shortNames: ["cm"],
  namespaced: true,
  schema: ConfigMap,
  columns: [
    nameColumn,
    {
      name: "Data",
      type: "integer",
      description: "How many keys there are, of text and of bytes.",
      cell: ({ data = {}, binaryData = {} }) => Object.keys(data).length + Object.keys(binaryData).length,
    },
    ageColumn,
  ],
  validate(configMap, { old }) {
    const { data = {}, binaryData = {} } = configMap;
    return [
      ...checkTwice(data, binaryData),
      ...checkKeys(data, "data"),
      ...checkKeys(binaryData, "binaryData"),
      ...checkSize(data, binaryData),
      ...(old === undefined ? [] : checkSealed<Content>(configMap, old, ["data", "binaryData"])),
    ];
  },
});
