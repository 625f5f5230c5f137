import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { allKinds } from "./all.ts";
import { checkObject } from "./check.ts";
import type { AnyKind, KubeObject, Observed } from "./kind.ts";
import { validateMetadata } from "./metadata.ts";
import { fieldType, type Type } from "./schema.ts";

/** Values of a descriptor's type: ordinary ones, odd ones, and few, so that they meet each other. */
function valuesOf(type: Type, depth: number): fc.Arbitrary<unknown> {
  switch (type.type) {
    case "message": {
      const entries = Object.entries(type.fields).map(([name, field]) => {
        const of = fieldType(field);
        // Deep down only leaves, or the objects would grow without end.
        const leaf = of.type !== "message" && of.type !== "list" && of.type !== "map";
        return [name, depth > 0 || leaf ? valuesOf(of, depth - 1) : fc.constant(undefined)] as const;
      });
      return fc
        .tuple(fc.record(Object.fromEntries(entries)), fc.infiniteStream(fc.nat(9)))
        .map(([all, dice]) => Object.fromEntries(Object.entries(all).filter(() => Number(dice.next().value) < 4)));
    }
    case "list":
      return fc.array(valuesOf(type.item, depth), { maxLength: 2 });
    case "map":
      return fc.dictionary(fc.constantFrom("cpu", "app", "a.b/c", "x y", "__proto__"), valuesOf(type.value, depth), {
        maxKeys: 3,
      });
    case "boolean":
      return fc.boolean();
    case "int32":
    case "int64":
      return fc.constantFrom(-1, 0, 1, 2, 80, 65536, 2 ** 31 - 1);
    case "double":
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case "quantity":
      return fc.constantFrom("0", "1", "100m", "1Gi", "-1", 2, 0.5, "1e3");
    case "intOrString":
      return fc.constantFrom(0, 1, 80, "25%", "http", "");
    case "time":
    case "microTime":
      return fc.constantFrom("2026-11-23T21:44:00Z", "2026-11-23T22:44:00.5+01:00", null);
    case "duration":
      return fc.constantFrom("1m30s", "0");
    case "bytes":
      return fc.constantFrom("", "YQ==", "YWI=");
    case "fieldsV1":
      return fc.constant({ "f:metadata": {} });
    case "any":
      return fc.jsonValue();
    case "string":
      return fc.constantFrom(
        "",
        "a",
        "web",
        "A b",
        "10.42.0.1",
        "None",
        "Always",
        "TCP",
        "Exists",
        "In",
        "\u0000",
        "é",
      );
  }
}

const identity = { uid: "u", resourceVersion: "1", creationTimestamp: "2026-11-23T21:44:00Z" };
const nowMs = Date.parse("2026-11-23T22:00:00Z");

/** All that is ever done to an object of the kind. Nothing of it may throw, whatever the object says. */
function live(kind: AnyKind, body: unknown): void {
  const { object } = checkObject(kind, body);
  const draft: KubeObject = structuredClone(object);
  draft.metadata = { name: "web", ...draft.metadata, ...identity };
  kind.defaults?.(draft);
  const again = structuredClone(draft);
  kind.defaults?.(again);
  expect(again).toEqual(draft);

  kind.prepareForCreate?.(draft);
  validateMetadata(kind, draft.metadata);
  kind.validate?.(draft, { nowMs });
  kind.warnings?.(draft);
  // The API puts in what Observed adds: identity, and a status where there is none.
  const observed = { spec: {}, status: {}, ...draft } as Observed<KubeObject>;
  for (const column of kind.columns) expect(["string", "number"]).toContain(typeof column.cell(observed, nowMs));
  for (const get of Object.values(kind.selectableFields ?? {})) expect(typeof get(observed)).toBe("string");
  expect(kind.gracePeriodSeconds?.(observed) ?? 0).toBeGreaterThanOrEqual(0);

  kind.prepareForUpdate?.(again, observed);
  kind.validate?.(again, { old: observed, nowMs });
  kind.validateStatus?.(again, { old: observed, nowMs });
  // What was checked and filled in once is right.
  expect(checkObject(kind, draft).problems).toEqual([]);
}

describe("no object that passes the check makes anything throw:", () => {
  for (const kind of allKinds)
    test(kind.kind, () => {
      fc.assert(
        fc.property(valuesOf(kind.schema, 7), (body) => {
          if (typeof body !== "object" || body === null) return;
          live(kind, { ...body, apiVersion: kind.apiVersion, kind: kind.kind });
        }),
        { numRuns: 60 },
      );
    });
});
