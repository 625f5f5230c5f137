import { describe, expect, test } from "bun:test";
import { nodeKind } from "./core/node.ts";
import { podKind } from "./core/pod.ts";
import { serviceKind } from "./core/service.ts";
import type { ObjectMeta } from "./meta.ts";
import { metadataWarnings, validateMetadata, validateMetadataUpdate } from "./metadata.ts";
import type { FieldError } from "./status_error.ts";

const texts = (errors: readonly FieldError[]) => errors.map(({ field, message }) => `${field}: ${message}`);
const right: ObjectMeta = { name: "web", namespace: "default" };

describe("metadata of a new object", () => {
  test("needs a name and, where the kind has one, a namespace", () => {
    expect(texts(validateMetadata(podKind, right))).toEqual([]);
    expect(texts(validateMetadata(podKind, {}))).toEqual([
      "metadata.name: Required value: name or generateName is required",
      "metadata.namespace: Required value",
    ]);
    expect(texts(validateMetadata(nodeKind, right))).toEqual([
      "metadata.namespace: Forbidden: not allowed on this type",
    ]);
  });

  test("follows the kind's own rule for names", () => {
    expect(validateMetadata(podKind, { ...right, name: "1.2" })).toEqual([]);
    expect(texts(validateMetadata(serviceKind, { ...right, name: "1a" }))[0]).toStartWith(
      'metadata.name: Invalid value: "1a": a DNS-1035 label must consist of',
    );
    expect(validateMetadata(podKind, { ...right, generateName: "web-" })).toEqual([]);
    expect(texts(validateMetadata(podKind, { ...right, generateName: "Web-" }))[0]).toStartWith(
      'metadata.generateName: Invalid value: "Web-"',
    );
  });

  const wrong: [string, ObjectMeta, string][] = [
    ["a label's key", { labels: { "a b": "c" } }, 'metadata.labels: Invalid value: "a b": name part must consist of'],
    ["a label's value", { labels: { a: "b c" } }, 'metadata.labels: Invalid value: "b c": a valid label must be'],
    ["an annotation's key", { annotations: { "-": "x" } }, 'metadata.annotations: Invalid value: "-"'],
    [
      "too many annotations",
      { annotations: { a: "x".repeat(262_144) } },
      "metadata.annotations: Too long: may not be more than 262144 bytes",
    ],
    ["a finalizer", { finalizers: ["a b"] }, 'metadata.finalizers: Invalid value: "a b"'],
    [
      "finalizers that contradict each other",
      { finalizers: ["orphan", "foregroundDeletion"] },
      'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
    ],
    [
      "an owner without a version",
      { ownerReferences: [{ apiVersion: "", kind: "ReplicaSet", name: "web", uid: "u" }] },
      'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
    ],
    [
      "an owner without a uid",
      { ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "web", uid: "" }] },
      'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
    ],
    [
      "a manager that is no text",
      { managedFields: [{ operation: "Apply", manager: "a\u0000" }] },
      'metadata.managedFields[0].manager: Invalid value: "a\\u0000"',
    ],
  ];
  for (const [what, part, text] of wrong)
    test(`is refused for ${what}`, () =>
      expect(texts(validateMetadata(podKind, { ...right, ...part }))[0]).toStartWith(text));

  test("may name any annotation key in upper case", () =>
    expect(validateMetadata(podKind, { ...right, annotations: { "Example.com/Key": "x" } })).toEqual([]));

  test("may have one controller only", () => {
    const owner = (name: string) => ({ apiVersion: "apps/v1", kind: "ReplicaSet", name, uid: name, controller: true });
    expect(validateMetadata(podKind, { ...right, ownerReferences: [owner("a")] })).toEqual([]);
    expect(texts(validateMetadata(podKind, { ...right, ownerReferences: [owner("a"), owner("b")] }))[0]).toContain(
      'Only one reference can have Controller set to true. Found "true" in references for ReplicaSet/a and ReplicaSet/b',
    );
  });
});

describe("metadata of a changed object", () => {
  const old: ObjectMeta = { ...right, uid: "u", resourceVersion: "7", creationTimestamp: "2026-11-23T21:44:00Z" };

  test("may change labels, annotations and finalizers", () =>
    expect(validateMetadataUpdate({ ...old, labels: { a: "b" }, finalizers: ["a/b"] }, old)).toEqual([]));

  for (const field of ["name", "namespace", "uid", "creationTimestamp"] as const)
    test(`may not change ${field}`, () =>
      expect(texts(validateMetadataUpdate({ ...old, [field]: "other" }, old))).toEqual([
        `metadata.${field}: Invalid value: "other": field is immutable`,
      ]));

  test("says which revision it is of", () =>
    expect(texts(validateMetadataUpdate({ ...old, resourceVersion: undefined }, old))).toEqual([
      'metadata.resourceVersion: Invalid value: "": must be specified for an update',
    ]));

  test("may not gain finalizers once the object is being deleted", () => {
    const going = { ...old, deletionTimestamp: "2026-11-23T21:44:00Z", finalizers: ["a/b"] };
    expect(validateMetadataUpdate({ ...going, finalizers: [] }, going)).toEqual([]);
    expect(texts(validateMetadataUpdate({ ...going, finalizers: ["a/b", "a/c"] }, going))).toEqual([
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a/c"}',
    ]);
  });
});

test("a finalizer without a domain is warned about", () => {
  expect(metadataWarnings({ finalizers: ["a/b", "orphan"] })).toEqual([]);
  expect(metadataWarnings({ finalizers: ["mine"] })[0]).toStartWith(
    'metadata.finalizers: "mine": prefer a domain-qualified',
  );
});
