import { expect, test } from "bun:test";
import { parseResourcePath } from "./request_info.ts";

const none = { namespace: undefined, name: undefined, subresource: undefined, rest: "", watch: false };

test.each([
  ["/api/v1/pods", { group: "", version: "v1", plural: "pods", ...none }],
  [
    "/api/v1/namespaces/a/pods/b/log",
    { ...none, group: "", version: "v1", plural: "pods", namespace: "a", name: "b", subresource: "log" },
  ],
  ["/api/v1/namespaces", { group: "", version: "v1", plural: "namespaces", ...none }],
  ["/api/v1/namespaces/a", { group: "", version: "v1", plural: "namespaces", ...none, name: "a" }],
  [
    "/api/v1/namespaces/a/finalize",
    { group: "", version: "v1", plural: "namespaces", ...none, name: "a", subresource: "finalize" },
  ],
  [
    "/apis/apps/v1/namespaces/a/deployments",
    { group: "apps", version: "v1", plural: "deployments", ...none, namespace: "a" },
  ],
  [
    "/api/v1/watch/namespaces/a/pods/b",
    { ...none, group: "", version: "v1", plural: "pods", namespace: "a", name: "b", watch: true },
  ],
  [
    "/api/v1/namespaces/a/pods/b/proxy/x/y%20z",
    {
      ...none,
      group: "",
      version: "v1",
      plural: "pods",
      namespace: "a",
      name: "b",
      subresource: "proxy",
      rest: "x/y z",
    },
  ],
])("%s is read", (path, expected) => {
  expect(parseResourcePath(path)).toEqual(expected);
});

test.each(["/", "/api", "/api/v1", "/apis/apps", "/apis/apps/v1", "/api/v1/pods/%zz", "/else/v1/pods"])(
  "%s names no resource",
  (path) => {
    expect(parseResourcePath(path)).toBeUndefined();
  },
);
