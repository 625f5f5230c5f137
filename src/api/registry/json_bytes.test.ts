import { expect, test } from "bun:test";
import { TestCluster } from "./cluster.test_support.ts";
import { createJsonBytes } from "./json_bytes.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

test("the bytes of a shared object are made once", async () => {
  const cluster = await TestCluster.started();
  const object = await cluster.create("configmaps", { metadata: { name: "web" }, data: { a: "ü" } });
  const bytesOf = createJsonBytes();
  const bytes = bytesOf(object);
  expect(JSON.parse(text(bytes))).toEqual(object);
  expect(bytesOf(object)).toBe(bytes);
});

test("what may still change is made each time", () => {
  const bytesOf = createJsonBytes();
  const object = { a: 1 };
  expect(text(bytesOf(object))).toBe('{"a":1}');
  object.a = 2;
  expect(text(bytesOf(object))).toBe('{"a":2}');
});

test("a list is put together from its items", async () => {
  const cluster = await TestCluster.started();
  const bytesOf = createJsonBytes();
  const list = async () => (await cluster.send("list", "configmaps")).object;
  expect(JSON.parse(text(bytesOf(await list())))).toMatchObject({ kind: "ConfigMapList", items: [] });
  for (const name of ["a", "b", "c"]) await cluster.create("configmaps", { metadata: { name } });
  const three = await list();
  expect(JSON.parse(text(bytesOf(three)))).toEqual(three);
});
