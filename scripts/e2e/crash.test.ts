/** kill -9 in the middle of writes: what was acknowledged is there, no container restarts, no proxied connection breaks. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "node:net";
import { eventually, must } from "./command.ts";
import { NodeUnderTest } from "./node_under_test.ts";

setDefaultTimeout(120_000);

let node: NodeUnderTest;

beforeAll(async () => {
  node = await NodeUnderTest.start();
}, 400_000);

afterAll(async () => {
  await node?.destroy();
}, 120_000);

/** A TCP connection that asks for a line and waits for its echo, for as long as the test likes. */
class Conversation {
  readonly #socket;
  #heard = "";
  #broken: string | undefined;

  constructor(address: string, port: number) {
    this.#socket = connect(port, address);
    this.#socket.on("data", (chunk) => {
      this.#heard += chunk.toString();
    });
    this.#socket.on("close", () => {
      this.#broken ??= "closed";
    });
    this.#socket.on("error", (error) => {
      this.#broken = error.message;
    });
  }

  async say(line: string): Promise<void> {
    this.#heard = "";
    this.#socket.write(`${line}\n`);
    await eventually(
      `the echo of ${line}`,
      () => {
        if (this.#broken !== undefined) throw new Error(`the connection is ${this.#broken}`);
        return this.#heard === `${line}\n`;
      },
      5000,
    );
  }

  end() {
    this.#socket.destroy();
  }
}

describe("kill -9 of the control plane", () => {
  test("loses no acknowledged object, restarts no container, breaks no connection", async () => {
    const manifests = [
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "echo", labels: { app: "echo" } },
        spec: { containers: [{ name: "echo", image: "busybox", command: ["nc", "-ll", "-p", "7", "-e", "cat"] }] },
      },
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "echo" },
        spec: { selector: { app: "echo" }, ports: [{ port: 7007, targetPort: 7 }] },
      },
    ];
    const input = manifests.map((manifest) => JSON.stringify(manifest)).join("\n---\n");
    await node.mustKubectl(["apply", "-f", "-"], { input });
    await node.mustKubectl(["wait", "--for=condition=Ready", "pod/echo", "--timeout=60s"]);
    const address = await node.mustKubectl(["get", "svc", "echo", "-o", "jsonpath={.spec.clusterIP}"]);
    const conversation = await eventually("a conversation through the Service", async () => {
      const candidate = new Conversation(address, 7007);
      try {
        await candidate.say("ahoy");
        return candidate;
      } catch (error) {
        candidate.end();
        throw error;
      }
    });
    const before = await must("docker", ["ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"]);

    for (let round = 0; round < 3; round++) {
      const acknowledged: string[] = [];
      let stop = false;
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let index = 0; !stop; index++) {
          const name = `c${round}-${writer}-${index}`;
          try {
            const response = await node.request("/api/v1/namespaces/default/configmaps", {
              method: "POST",
              headers: { "content-type": "application/json" },
              body: JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { name } }),
            });
            if (response.status === 201) acknowledged.push(name);
            await response.arrayBuffer();
          } catch {
            // The server is gone: this write was not acknowledged.
            return;
          }
        }
      });
      await eventually("a few hundred writes", () => acknowledged.length > 200);
      await node.end("SIGKILL");
      stop = true;
      await Promise.all(writers);
      await conversation.say(`still here in round ${round}`);
      await node.launch();
      const listed = await node.mustKubectl(["get", "configmaps", "-o", "jsonpath={.items[*].metadata.name}"]);
      const present = new Set(listed.split(" "));
      expect(acknowledged.filter((name) => !present.has(name))).toEqual([]);
      await conversation.say(`and back in round ${round}`);
    }

    const after = await must("docker", ["ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"]);
    expect(after).toBe(before);
    expect(await node.mustKubectl(["get", "pod", "echo"])).toMatch(/echo +1\/1 +Running +0 /);
    conversation.end();
  });

  test("SIGTERM ends with 0 and leaves containers and connections alone", async () => {
    const before = await must("docker", ["ps", "-q", "--no-trunc"]);
    expect(await node.end("SIGTERM")).toBe(0);
    expect(await must("docker", ["ps", "-q", "--no-trunc"])).toBe(before);
    await node.launch();
    await eventually("the pod to be Running", async () =>
      / 1\/1 +Running +0 /.test(await node.mustKubectl(["get", "pod", "echo"])),
    );
  });
});
