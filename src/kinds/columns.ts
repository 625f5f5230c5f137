import { ageOf } from "./human_duration.ts";
import type { Column, KubeObject, Observed } from "./kind.ts";

export const nameColumn: Column<KubeObject> = {
  name: "Name",
  type: "string",
  format: "name",
  description: "The object's name, unique among its kind in its namespace.",
  cell: (object) => object.metadata.name,
};

export const ageColumn: Column<KubeObject> = {
  name: "Age",
  type: "string",
  description: "How long ago the API server created the object.",
  cell: (object, nowMs) => ageOf(object.metadata.creationTimestamp, nowMs),
};

/** A column that only `-o wide` shows. */
export function wide<T>(column: Column<T>): Column<T> {
  return { ...column, priority: 1 };
}

export function column<T extends KubeObject>(
  name: string,
  type: Column<T>["type"],
  description: string,
  cell: (object: Observed<T>, nowMs: number) => string | number,
): Column<T> {
  return { name, type, description, cell };
}
