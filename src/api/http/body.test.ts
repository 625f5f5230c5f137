import { expect, test } from "bun:test";
import { readBody } from "./body.ts";

function request(body: string, contentLength: string): Request {
  const bytes = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(body));
      controller.close();
    },
  });
  return new Request("https://host/", { method: "POST", headers: { "content-length": contentLength }, body: bytes });
}

test("a body that was cut off is refused, though half of it would be a whole YAML text", async () => {
  expect(readBody(request("data:\n  a: b\n", "100"))).rejects.toMatchObject({
    code: 400,
    message: "the body was cut off: 13 bytes came, and its Content-Length says 100; send it again",
  });
  expect(await readBody(request("data:\n  a: b\n", "13"))).toHaveLength(13);
});
