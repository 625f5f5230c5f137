/** Each bad input gets the error that a Kubernetes user expects, and nothing is lost. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { freePort, NodeUnderTest } from "./node_under_test.ts";

setDefaultTimeout(60_000);

let node: NodeUnderTest;

beforeAll(async () => {
  node = await NodeUnderTest.start();
}, 400_000);

afterAll(async () => {
  await node?.destroy();
}, 120_000);

interface StatusBody {
  readonly kind?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly code?: number;
  readonly details?: { readonly causes?: { readonly field?: string; readonly message?: string }[] };
}

async function post(
  path: string,
  body: BodyInit,
  type = "application/json",
): Promise<{ code: number; status: StatusBody; warning: string | null }> {
  const response = await node.request(path, { method: "POST", headers: { "content-type": type }, body });
  const status: StatusBody = JSON.parse(await response.text());
  return { code: response.status, status, warning: response.headers.get("warning") };
}

const configMaps = "/api/v1/namespaces/default/configmaps";
const deployments = "/apis/apps/v1/namespaces/default/deployments";
const configMap = (name: string, more: object = {}) =>
  JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, ...more });
const deployment = (name: string, image = "nginx") => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name },
  spec: {
    replicas: 0,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "c", image }] } },
  },
});

describe("bad input", () => {
  test("malformed JSON, YAML and protobuf are bad requests", async () => {
    const json = await post(configMaps, "{not json");
    expect(json.code).toBe(400);
    expect(json.status.reason).toBe("BadRequest");
    const yaml = await post(configMaps, "a: [1\nb: }", "application/yaml");
    expect(yaml.code).toBe(400);
    for (const bytes of [
      [0x6b, 0x38, 0x73, 0],
      [0x6b, 0x38, 0x73, 0, 0xff, 0xff, 0xff, 0xff, 0x7f],
      [1, 2, 3, 4],
    ]) {
      const protobuf = await post(configMaps, new Uint8Array(bytes), "application/vnd.kubernetes.protobuf");
      expect(protobuf.code).toBe(400);
    }
    const type = await post(configMaps, "x", "text/plain");
    expect(type.code).toBe(415);
  });

  test("unknown fields: Strict refuses, Warn warns, Ignore is silent", async () => {
    const body = configMap("extra", { dta: { a: "b" } });
    const strict = await post(`${configMaps}?fieldValidation=Strict`, body);
    expect(strict.code).toBe(400);
    expect(strict.status.message).toContain('strict decoding error: unknown field "dta"');
    const warn = await post(`${configMaps}?fieldValidation=Warn`, body);
    expect(warn.code).toBe(201);
    expect(warn.warning).toContain('unknown field \\"dta\\"');
    const ignore = await post(`${configMaps}?fieldValidation=Ignore`, configMap("extra2", { dta: 1 }));
    expect(ignore.code).toBe(201);
    expect(ignore.warning).toBeNull();
  });

  test("a wrong type is a bad request that names the field", async () => {
    const bad = { ...deployment("typed"), spec: { ...deployment("typed").spec, replicas: "three" } };
    const answer = await post(deployments, JSON.stringify(bad));
    expect(answer.code).toBe(400);
    expect(answer.status.message).toContain("spec.replicas");
  });

  test("a name that is no DNS label is invalid, with its cause", async () => {
    const answer = await post(
      "/api/v1/namespaces",
      JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name: "Not_A_Name" } }),
    );
    expect(answer.code).toBe(422);
    expect(answer.status.reason).toBe("Invalid");
    expect(answer.status.details?.causes?.[0]?.field).toBe("metadata.name");
  });

  test("an immutable field cannot be changed", async () => {
    await node.mustKubectl(["apply", "-f", "-"], { input: JSON.stringify(deployment("fixed")) });
    const changed = deployment("fixed");
    changed.spec.selector.matchLabels.app = "other";
    changed.spec.template.metadata.labels.app = "other";
    const answer = await node.kubectl(["apply", "-f", "-"], { input: JSON.stringify(changed) });
    expect(answer.code).toBe(1);
    expect(answer.stderr).toContain('The Deployment "fixed" is invalid: spec.selector: Invalid value:');
    expect(answer.stderr).toContain("field is immutable");
  });

  test("a body of 4 MB is too large", async () => {
    const answer = await post(configMaps, configMap("big", { data: { a: "x".repeat(4 << 20) } }));
    expect(answer.code).toBe(413);
    expect(answer.status.reason).toBe("RequestEntityTooLarge");
  });

  test("a stale resourceVersion is a conflict", async () => {
    const created = await post(configMaps, configMap("versioned"));
    expect(created.code).toBe(201);
    const put = (resourceVersion: string, value: string) =>
      node.request(`${configMaps}/versioned`, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { name: "versioned", resourceVersion },
          data: { value },
        }),
      });
    const present: { metadata: { resourceVersion: string } } = await (
      await node.request(`${configMaps}/versioned`)
    ).json();
    expect((await put(present.metadata.resourceVersion, "one")).status).toBe(200);
    const stale = await put(present.metadata.resourceVersion, "two");
    expect(stale.status).toBe(409);
    const status: StatusBody = await stale.json();
    expect(status.message).toContain(
      "the object has been modified; please apply your changes to the latest version and try again",
    );
  });

  test("a wrong token is unauthorized, no token learns only health and version", async () => {
    const wrong = await node.request("/api/v1/pods", { bearer: "wrong-token-wrong-token" });
    expect(wrong.status).toBe(401);
    expect(((await wrong.json()) as StatusBody).reason).toBe("Unauthorized");
    for (const path of ["/livez", "/readyz", "/healthz", "/version"])
      expect((await node.request(path, { bearer: null })).status).toBe(200);
    for (const path of ["/api/v1/pods", "/apis", "/openapi/v3", "/metrics", "/nothing-here"])
      expect([401, 403]).toContain((await node.request(path, { bearer: null })).status);
  });

  test("a missing image is reported as ErrImagePull, and the pod stays", async () => {
    await node.mustKubectl(["run", "absent", "--image=registry.invalid/absent:1"]);
    const deadline = performance.now() + 30_000;
    let shown = "";
    while (!/ErrImagePull|ImagePullBackOff/.test(shown) && performance.now() < deadline)
      shown = await node.mustKubectl(["get", "pod", "absent"]);
    expect(shown).toMatch(/absent +0\/1 +(ErrImagePull|ImagePullBackOff) +0/);
    const events = await node.mustKubectl(["get", "events", "--field-selector=involvedObject.name=absent"]);
    expect(events).toContain("Failed");
  });

  test("a second node on the same machine is refused by name, before it touches anything", async () => {
    const port = String(await freePort());
    const flags = ["--data-dir", join(node.directory, "second"), "--https-listen-port", port];
    const second = await node.wherry(["up", ...flags]);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`process ${node.pid} with the data directory ${node.dataDir}`);
    const same = await node.wherry(["up", "--data-dir", node.dataDir, "--https-listen-port", port]);
    expect(same.code).toBe(1);
    expect(same.stderr).toContain(`process ${node.pid} uses it`);
    const typo = await node.wherry(["up", "--data-dri", "/x"]);
    expect(typo.code).toBe(2);
    expect(typo.stderr).toContain('did you mean "data-dir"?');
  });

  test("after all this, what was acknowledged is still there", async () => {
    const names = await node.mustKubectl(["get", "configmaps", "-o", "jsonpath={.items[*].metadata.name}"]);
    for (const name of ["extra", "extra2", "versioned"]) expect(names.split(" ")).toContain(name);
  });
});
