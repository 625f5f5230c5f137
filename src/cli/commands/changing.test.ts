import { describe, expect, test } from "bun:test";
import { type Answer, wherry } from "../cluster.test_support.ts";

/** A server that keeps nothing: what is created or patched comes back. */
const echo: Answer = ({ method, body, path }) => {
  if (method === "POST") return body;
  if (method === "PATCH" || method === "GET") return { apiVersion: "apps/v1", kind: "Deployment", ...deployment(path) };
  return { kind: "Status", status: "Success", details: { uid: "u1" } };
};
const deployment = (path: string) => ({
  metadata: { name: /deployments\/([^/?]+)/.exec(path)?.[1] ?? "web", labels: { app: "web" } },
  spec: {
    selector: { matchLabels: { app: "web" } },
    template: { spec: { containers: [{ name: "nginx", image: "nginx", ports: [{ containerPort: 80 }] }] } },
  },
});

describe("create", () => {
  test("a deployment has the labels, the selector and the container that kubectl gives it", async () => {
    const { out, requests } = await wherry(
      ["create", "deployment", "web", "--image=team/nginx:1", "--port=80", "--replicas=3"],
      {
        answer: echo,
      },
    );
    expect(out).toBe("deployment.apps/web created\n");
    expect(requests[0]?.path).toBe(
      "/apis/apps/v1/namespaces/default/deployments?fieldManager=kubectl-create&fieldValidation=Strict",
    );
    expect(requests[0]?.body).toEqual({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", labels: { app: "web" }, namespace: "default" },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: "web" } },
        strategy: {},
        template: {
          metadata: { labels: { app: "web" } },
          spec: {
            containers: [{ name: "nginx", image: "team/nginx:1", ports: [{ containerPort: 80 }], resources: {} }],
          },
        },
      },
    });
  });

  test("--dry-run=client asks no server, --dry-run=server asks it to keep nothing", async () => {
    const client = await wherry(["create", "ns", "harbour", "--dry-run=client"]);
    expect(client).toMatchObject({ out: "namespace/harbour created (dry run)\n", requests: [] });
    const server = await wherry(["create", "ns", "harbour", "--dry-run=server"], { answer: echo });
    expect(server.out).toBe("namespace/harbour created (server dry run)\n");
    expect(server.requests[0]?.path).toContain("dryRun=All");
  });

  test("a configmap takes literals, files, folders and env files; what is no text goes into binaryData", async () => {
    const files = {
      "/home/me/conf/a": "A",
      "/home/me/conf/b": "B",
      "/home/me/vars": "# none\nX=1\n",
      "/home/me/raw": "z",
    };
    const args = ["--from-literal=k=v=w", "--from-file=conf", "--from-file=named=raw", "--from-env-file=vars"];
    const { requests } = await wherry(["create", "configmap", "settings", ...args], { answer: echo, files });
    expect(requests[0]?.body).toMatchObject({ data: { k: "v=w", a: "A", b: "B", named: "z", X: "1" } });
  });

  test("a key twice is refused", async () => {
    const { code, err } = await wherry(["create", "cm", "x", "--from-literal=a=1", "--from-literal=a=2"]);
    expect({ code, err }).toEqual({
      code: 2,
      err: 'error: cannot add key "a", another key by that name already exists\n',
    });
  });

  test("a secret's values are base64", async () => {
    const { requests } = await wherry(["create", "secret", "generic", "s", "--from-literal=p=é"], { answer: echo });
    expect(requests[0]?.body).toMatchObject({ data: { p: "w6k=" } });
  });

  test("--dry-run=client -o yaml has the empty parts that kubectl's has; of a file it has what stands there", async () => {
    const shown = async (...words: string[]) => (await wherry([...words, "--dry-run=client", "-o", "yaml"])).out;
    expect(await shown("create", "ns", "x")).toBe(
      "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: x\nspec: {}\nstatus: {}\n",
    );
    expect(await shown("create", "deploy", "x", "--image=y")).toEndWith("status: {}\n");
    expect(await shown("create", "svc", "clusterip", "x", "--tcp=80")).toEndWith("status:\n  loadBalancer: {}\n");
    const files = { "/home/me/ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n" };
    const file = await wherry(["create", "-f", "ns.yaml", "--dry-run=client", "-o", "yaml"], { files });
    expect(file.out).not.toContain("status");
  });

  test("secrets for TLS and for a registry, and a Service outside of the cluster, are kubectl's", async () => {
    const files = {
      "/home/me/c": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n",
      "/home/me/k": "-----BEGIN RSA PRIVATE KEY-----\nx\n-----END RSA PRIVATE KEY-----\n",
    };
    const create = (...words: string[]) => wherry(["create", ...words], { answer: echo, files });
    const tls = await create("secret", "tls", "t", "--cert=c", "--key=k");
    expect(tls.requests[0]?.body).toMatchObject({
      type: "kubernetes.io/tls",
      data: { "tls.crt": btoa(files["/home/me/c"]), "tls.key": btoa(files["/home/me/k"]) },
    });
    expect(await create("secret", "tls", "t", "--cert=k", "--key=k")).toMatchObject({ code: 2 });
    const login = ["--docker-server=a", "--docker-username=b", "--docker-password=c"];
    const registry = await create("secret", "docker-registry", "r", ...login);
    expect(registry.requests[0]?.body).toMatchObject({
      type: "kubernetes.io/dockerconfigjson",
      data: {
        ".dockerconfigjson": "eyJhdXRocyI6eyJhIjp7InVzZXJuYW1lIjoiYiIsInBhc3N3b3JkIjoiYyIsImF1dGgiOiJZanBqIn19fQ==",
      },
    });
    const outside = await create("svc", "externalname", "db", "--external-name=a.b");
    expect(outside.requests[0]?.body).toMatchObject({ spec: { type: "ExternalName", externalName: "a.b" } });
  });

  test("-f creates each document of a file; one that fails does not keep the others back", async () => {
    const files = {
      "/home/me/two.yaml":
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n",
    };
    const answer: Answer = ({ body }) =>
      JSON.stringify(body).includes("bad")
        ? Response.json(
            { kind: "Status", reason: "AlreadyExists", message: "there already", code: 409 },
            { status: 409 },
          )
        : body;
    expect(await wherry(["create", "-f", "two.yaml"], { answer, files })).toMatchObject({
      code: 1,
      out: "configmap/good created\n",
      err: 'Error from server (AlreadyExists): error when creating "two.yaml": there already\n',
    });
  });

  test("a noun that is unknown gets the nearest one", async () => {
    expect((await wherry(["create", "deploymnt", "x"])).err).toContain('did you mean "deployment"');
  });
});

describe("run and expose", () => {
  test("what stands after -- is the container's arguments, or with --command its command", async () => {
    const container = async (...flags: string[]) => {
      const { requests } = await wherry(["run", "a", "--image=busybox", ...flags, "--", "sleep", "-x", "5"], {
        answer: echo,
      });
      return requests[0]?.body;
    };
    expect(await container()).toMatchObject({ spec: { containers: [{ args: ["sleep", "-x", "5"] }] } });
    expect(await container("--command")).toMatchObject({ spec: { containers: [{ command: ["sleep", "-x", "5"] }] } });
  });

  test("--expose prints two YAML documents, and an image that can be none is refused", async () => {
    const flags = ["--image=x", "--expose", "--port=80", "--dry-run=client", "-o", "yaml"];
    const documents = (await wherry(["run", "x", ...flags])).out.split("---\n");
    expect(documents.map((text) => /kind: (\w+)/.exec(text)?.[1])).toEqual(["Service", "Pod"]);
    for (const image of ["", "BAD image"]) expect((await wherry(["run", "x", `--image=${image}`])).code).toBe(2);
  });

  test("expose takes the deployment's selector, labels and ports", async () => {
    const { out, requests } = await wherry(["expose", "deployment", "web", "--port=8080", "--target-port=80"], {
      answer: echo,
    });
    expect(out).toBe("service/web exposed\n");
    expect(requests[1]?.body).toMatchObject({
      metadata: { name: "web", labels: { app: "web" } },
      spec: { selector: { app: "web" }, ports: [{ port: 8080, protocol: "TCP", targetPort: 80 }] },
    });
    const byContainer = await wherry(["expose", "deployment/web", "--name=n", "--type=NodePort"], { answer: echo });
    expect(byContainer.requests[1]?.body).toMatchObject({
      metadata: { name: "n" },
      spec: { type: "NodePort", ports: [{ port: 80, protocol: "TCP", targetPort: 80 }] },
    });
  });
});

describe("apply", () => {
  const postOnly: Answer = ({ method, body }) => (method === "POST" ? body : undefined);
  const manifest = (value: string) =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {value: "${value}"}\n`;

  test("creates what is absent, patches what differs, leaves alone what is the same", async () => {
    let stored: unknown;
    const answer: Answer = ({ method, body }) => {
      if (method === "POST") stored = body;
      return stored;
    };
    const apply = (value: string) => wherry(["apply", "-f", "-"], { answer, input: manifest(value) });
    expect((await apply("one")).out).toBe("configmap/settings created\n");
    expect((await apply("one")).out).toBe("configmap/settings unchanged\n");
    const changed = await apply("two");
    expect(changed.out).toBe("configmap/settings configured\n");
    const patch = changed.requests.at(-1);
    expect(patch?.headers.get("content-type")).toBe("application/strategic-merge-patch+json");
    expect(patch?.body).toMatchObject({ data: { value: "two" } });
  });

  test("a conflict is tried again from a fresh read", async () => {
    let conflicts = 2;
    const answer: Answer = ({ method }) => {
      if (method === "PATCH" && conflicts-- > 0)
        return Response.json({ kind: "Status", reason: "Conflict", message: "x", code: 409 }, { status: 409 });
      return { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" } };
    };
    const { code, out, requests } = await wherry(["apply", "-f", "-"], { answer, input: manifest("one") });
    expect({ code, out }).toEqual({ code: 0, out: "configmap/settings configured\n" });
    expect(requests.filter(({ method }) => method === "PATCH")).toHaveLength(3);
  });

  test("an unknown kind, a file that is no YAML and one that is absent are told with the file", async () => {
    const apply = (text: string) => wherry(["apply", "-f", "f.yaml"], { files: { "/home/me/f.yaml": text } });
    expect((await apply("apiVersion: v1\nkind: Foo\nmetadata: {name: x}\n")).err).toContain(
      'no matches for kind "Foo" in version "v1"',
    );
    expect((await apply("a: [")).err).toStartWith("error: error parsing f.yaml: ");
    expect((await wherry(["apply", "-f", "absent.yaml"])).err).toBe('error: the path "absent.yaml" does not exist\n');
  });

  test("a broken file or document does not keep the others back, and is told", async () => {
    const files = {
      "/home/me/d/a.yaml": manifest("one"),
      "/home/me/d/b.yaml": "a: {b",
      "/home/me/d/c.yaml": `${manifest("two").replace("settings", "more")}---\nkind: Foo\napiVersion: v1\nmetadata: {name: x}\n`,
    };
    const { code, out, err } = await wherry(["apply", "-f", "d"], { answer: postOnly, files });
    expect({ code, out }).toEqual({ code: 1, out: "configmap/settings created\nconfigmap/more created\n" });
    expect(err).toMatch(/^error: error parsing d\/b\.yaml: .+ at line 1, column 6\nerror: .+no matches for kind "Foo"/);
    const created = await wherry(["create", "-f", "d"], { answer: postOnly, files });
    expect(created).toMatchObject({ code: 1, out: "configmap/settings created\nconfigmap/more created\n" });
  });

  test("--validate chooses what becomes of unknown fields; -k says what to do instead", async () => {
    const apply = (...flags: string[]) =>
      wherry(["apply", "-f", "-", ...flags], { answer: postOnly, input: manifest("one") });
    for (const [flag, asked] of [
      ["--validate=false", "Ignore"],
      ["--validate=warn", "Warn"],
      ["--validate", "Strict"],
    ] as const)
      expect((await apply(flag)).requests.at(-1)?.path).toContain(`fieldValidation=${asked}`);
    expect((await apply("--validate=perhaps")).code).toBe(2);
    const kustomize = await wherry(["apply", "-k", "overlay"]);
    expect(kustomize.code).toBe(2);
    expect(kustomize.err).toContain("kustomize build overlay | wherry apply -f -");
  });

  test("-n against another namespace in the file is refused", async () => {
    const input = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: a}\n";
    const { code, err } = await wherry(["apply", "-n", "b", "-f", "-"], { input });
    expect(code).toBe(1);
    expect(err).toContain('the namespace from the provided object "a" does not match the namespace "b"');
  });
});

describe("delete", () => {
  test("tells what it deletes, asks for background deletion and waits until that object is gone", async () => {
    let reads = 0;
    const answer: Answer = ({ method }) => {
      if (method === "DELETE") return { kind: "Status", status: "Success", details: { uid: "u1" } };
      return reads++ < 3 ? { metadata: { name: "web", uid: "u1" } } : undefined;
    };
    const { code, out, requests } = await wherry(["delete", "deployment", "web"], { answer });
    expect({ code, out }).toEqual({ code: 0, out: 'deployment.apps "web" deleted from default namespace\n' });
    expect(requests[0]?.body).toEqual({ propagationPolicy: "Background" });
    expect(reads).toBe(4);
  });

  test("does not wait for another object of the same name, nor with --wait=false", async () => {
    const answer: Answer = ({ method }) =>
      method === "DELETE" ? { kind: "Status", details: { uid: "old" } } : { metadata: { name: "web", uid: "new" } };
    expect((await wherry(["delete", "pod", "web"], { answer })).requests).toHaveLength(2);
    expect((await wherry(["delete", "pod", "web", "--wait=false"], { answer })).requests).toHaveLength(1);
  });

  test("gives up waiting after --timeout", async () => {
    const answer: Answer = () => ({ metadata: { name: "web", uid: "u1" } });
    const { code, err } = await wherry(["delete", "pod", "web", "--timeout=5s"], { answer });
    expect({ code, err }).toEqual({ code: 1, err: "error: timed out waiting for the condition on pods/web\n" });
  });

  test("everything is deleted only when it is said", async () => {
    expect(await wherry(["delete", "pods"])).toMatchObject({ code: 2, requests: [] });
    const answer: Answer = ({ method, path }) =>
      method === "GET" && path.includes("pods?")
        ? { items: [{ metadata: { name: "a" } }, { metadata: { name: "b" } }] }
        : method === "DELETE"
          ? {}
          : undefined;
    expect((await wherry(["delete", "pods", "--all"], { answer })).out).toBe(
      'pod "a" deleted from default namespace\npod "b" deleted from default namespace\n',
    );
  });

  test("--force deletes at once and warns; without it no grace of 0 seconds", async () => {
    const forced = await wherry(["delete", "pod", "web", "--force"], { answer: () => ({}) });
    expect(forced.out).toBe('pod "web" force deleted from default namespace\n');
    expect(forced.err).toStartWith("Warning: Immediate deletion does not wait");
    expect(forced.requests[0]?.body).toMatchObject({ gracePeriodSeconds: 0 });
    expect((await wherry(["delete", "pod", "web", "--grace-period=0"])).code).toBe(2);
  });
});

describe("scale, set image, label", () => {
  test("scale patches the scale subresource", async () => {
    const { out, requests } = await wherry(["scale", "deployment/web", "--replicas=3"], { answer: echo });
    expect(out).toBe("deployment.apps/web scaled\n");
    expect(requests[1]).toMatchObject({
      method: "PATCH",
      path: "/apis/apps/v1/namespaces/default/deployments/web/scale?fieldManager=kubectl-scale",
      body: { spec: { replicas: 3 } },
    });
  });

  test("set image patches the containers named, and refuses one that is not there", async () => {
    const { out, requests } = await wherry(["set", "image", "deployment/web", "nginx=nginx:1.27"], { answer: echo });
    expect(out).toBe("deployment.apps/web image updated\n");
    expect(requests[1]?.body).toEqual({
      spec: { template: { spec: { containers: [{ name: "nginx", image: "nginx:1.27" }] } } },
    });
    const absent = await wherry(["set", "image", "deployment/web", "foo=x"], { answer: echo });
    expect(absent).toMatchObject({ code: 1, err: 'error: unable to find container named "foo"\n' });
  });

  test("label sets, takes away, and replaces only with --overwrite", async () => {
    const label = (...words: string[]) => wherry(["label", "deployment", "web", ...words], { answer: echo });
    expect((await label("tier=front")).out).toBe("deployment.apps/web labeled\n");
    const removed = await label("app-");
    expect(removed.out).toBe("deployment.apps/web unlabeled\n");
    expect(removed.requests[1]?.body).toEqual({ metadata: { labels: { app: null } } });
    expect((await label("app=other")).err).toBe("error: 'app' already has a value (web), and --overwrite is false\n");
    expect((await label("app=other", "--overwrite")).code).toBe(0);
    expect((await label("app=web")).out).toBe("deployment.apps/web not labeled\n");
    expect((await label("none-")).out).toBe('label "none" not found.\ndeployment.apps/web not labeled\n');
  });
});
