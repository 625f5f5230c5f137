import { expect, test } from "bun:test";
import { StatusError } from "../../kinds/status_error.ts";
import { negotiate } from "./negotiate.ts";

test.each([
  [null, "json", "object", "v1"],
  ["*/*", "json", "object", "v1"],
  ["application/json, */*", "json", "object", "v1"],
  ["application/vnd.kubernetes.protobuf,application/json", "json", "object", "v1"],
  ["application/vnd.kubernetes.protobuf, */*", "json", "object", "v1"],
  ["application/yaml", "yaml", "object", "v1"],
  ["application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "json", "table", "v1"],
  ["application/json;g=meta.k8s.io; v=v1beta1; as=Table", "json", "table", "v1beta1"],
  ["application/json;as=Other;v=v1;g=meta.k8s.io,application/json", "json", "object", "v1"],
  ["application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", "json", "partial", "v1"],
  ["application/json;q=0.1,application/yaml", "yaml", "object", "v1"],
] as const)("Accept %p is answered as %s %s %s", (accept, format, as, metaVersion) => {
  expect(negotiate(accept)).toEqual({ format, as, metaVersion });
});

test("what cannot be made is refused with 406", () => {
  expect(() => negotiate("text/html")).toThrow(StatusError);
  expect(() => negotiate("application/json;as=Table;v=v9;g=meta.k8s.io")).toThrow("only the following media types");
});
