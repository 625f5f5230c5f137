import { expect, test } from "bun:test";
import fc from "fast-check";
import { allKinds } from "../../kinds/all.ts";
import { DeleteOptions } from "../../kinds/meta.ts";
import { KindRegistry } from "../../kinds/registry.ts";
import { any, duration, list, map, message, microTime, optional, quantity, string } from "../../kinds/schema.ts";
import { decodeMessage, readEnvelope } from "./protobuf.ts";
import { ProtobufError } from "./protobuf_reader.ts";
import { schemaOf } from "./wire_kinds.ts";

const kinds = new KindRegistry(allKinds);

/** What kubectl 1.35.2 sent. */
const createDeployment =
  "azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50EsABCiMKBW5naW54EgAaACIAKgAyADgAQgBaDAoDYXBwEgVuZ2lueBKKAQgBEg4KDAoDYXBwEgVuZ2lueBpuCh4KABIAGgAiACoAMgA4AEIAWgwKA2FwcBIFbmdpbngSTBIuCgVuZ2lueBIFbmdpbngqADIKCgAQABhQIgAqAEIAagByAIABAIgBAJABAKIBABoAMgBCAEoAUgBYAGAAaACCAQCKAQCaAQDCAQAiAgoAKAA4ABoMCAAQABgAIAAoADgAGgAiAA==";
const createSecret = "azhzAAoMCgJ2MRIGU2VjcmV0Eh0KEQoBcxIAGgAiACoAMgA4AEIAEgYKAWESAWIaABoAIgA=";
const createService =
  "azhzAAoNCgJ2MRIHU2VydmljZRJnCh0KAm5wEgAaACIAKgAyADgAQgBaCQoDYXBwEgJucBJCCh0KBzgwLTgwODASA1RDUBhQIgcIABCQPxoAKIDrARIJCgNhcHASAm5wGgAiCE5vZGVQb3J0OgBCAFIAWgBgAGgAGgIKABoAIgA=";

function decode(base64: string): unknown {
  const { apiVersion, kind, raw } = readEnvelope(Buffer.from(base64, "base64"));
  const schema = schemaOf(kinds, apiVersion, kind);
  if (!schema) throw new Error(`no schema for ${apiVersion} ${kind}`);
  return { apiVersion, kind, ...decodeMessage(schema, raw) };
}

test("kubectl's create deployment becomes the JSON that it stands for, without empty fields", () => {
  expect(decode(createDeployment)).toEqual({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "nginx", labels: { app: "nginx" } },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: "nginx" } },
      strategy: {},
      template: {
        metadata: { labels: { app: "nginx" } },
        spec: {
          containers: [
            {
              name: "nginx",
              image: "nginx",
              ports: [{ containerPort: 80 }],
              resources: {},
            },
          ],
        },
      },
    },
    status: {},
  });
});

test("bytes become base64, and numbers keep their place among strings", () => {
  expect(decode(createSecret)).toMatchObject({ kind: "Secret", metadata: { name: "s" }, data: { a: "Yg==" } });
  expect(decode(createService)).toMatchObject({
    spec: { type: "NodePort", ports: [{ name: "80-8080", port: 80, targetPort: 8080, nodePort: 30080 }] },
  });
});

test("cut or changed bodies are refused with a ProtobufError, never with anything else", () => {
  const body = Buffer.from(createDeployment, "base64");
  const attempt = (bytes: Uint8Array) => {
    try {
      const { raw } = readEnvelope(bytes);
      const schema = schemaOf(kinds, "apps/v1", "Deployment");
      if (schema) decodeMessage(schema, raw);
    } catch (error) {
      expect(error).toBeInstanceOf(ProtobufError);
    }
  };
  for (let length = 0; length < body.length; length++) attempt(body.subarray(0, length));
  fc.assert(
    fc.property(fc.nat(body.length - 1), fc.nat(255), (at, byte) => {
      const changed = Uint8Array.from(body);
      changed[at] = byte;
      attempt(changed);
    }),
    { numRuns: 2000 },
  );
  expect(() => readEnvelope(new Uint8Array([1, 2, 3, 4]))).toThrow(ProtobufError);
});

/** One field: its tag and its bytes. */
function field(number: number, bytes: readonly number[] | Uint8Array): number[] {
  return [(number << 3) | 2, bytes.length, ...bytes];
}
const text = (value: string) => [...new TextEncoder().encode(value)];

test("scalars with a form of their own are read as Kubernetes writes them in JSON", () => {
  const schema = message("test.Forms", {
    quantity: optional(1, quantity),
    micro: optional(2, microTime),
    duration: optional(3, duration),
    raw: optional(4, any),
    extra: optional(5, map(list(string))),
    inlined: optional([6, 1], string),
    deep: optional([6, 2, 1], string),
  });
  const seconds = [0x08, 0x80, 0x95, 0xdc, 0xca, 0x06, 0x10, 0xc0, 0x84, 0x3d];
  const body = [
    ...field(1, field(1, text("100m"))),
    ...field(2, seconds),
    ...field(3, [0x08, 0x80, 0x88, 0xac, 0xa3, 0xcf, 0x02]),
    ...field(4, field(1, text('{"x":[1]}'))),
    ...field(5, [...field(1, text("k")), ...field(2, [...field(1, text("a")), ...field(1, text("b"))])]),
    ...field(6, [...field(1, text("in")), ...field(2, field(1, text("deep")))]),
  ];
  expect(decodeMessage(schema, Uint8Array.from(body))).toEqual({
    quantity: "100m",
    micro: "2026-01-02T00:00:00.001000Z",
    duration: "1m30s",
    raw: { x: [1] },
    extra: { k: ["a", "b"] },
    inlined: "in",
    deep: "deep",
  });
});

test("DeleteOptions keep a grace period of zero", () => {
  expect(decodeMessage(DeleteOptions, Uint8Array.from([0x08, 0x00, ...field(4, text("Background"))]))).toEqual({
    gracePeriodSeconds: 0,
    propagationPolicy: "Background",
  });
});
