import { describe, expect, test } from "bun:test";
import { type Answer, wherry } from "../cluster.test_support.ts";

const deployment = (updatedReplicas: number, availableReplicas: number, replicas = 2, more: object = {}) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: {
    name: "web",
    namespace: "default",
    uid: "d",
    generation: 2,
    resourceVersion: "9",
    annotations: { "deployment.kubernetes.io/revision": "3", mine: "kept" },
  },
  spec: { replicas: 2, selector: { matchLabels: { app: "web" } }, template: template("c") },
  status: { observedGeneration: 2, replicas, updatedReplicas, availableReplicas, ...more },
});
const template = (image: string, labels: object = {}) => ({
  metadata: { labels: { app: "web", ...labels } },
  spec: { containers: [{ name: "nginx", image }] },
});
const replicaSet = (revision: number, image: string, owner = "d") => ({
  metadata: {
    name: `web-${revision}`,
    annotations: {
      "deployment.kubernetes.io/revision": String(revision),
      "kubernetes.io/change-cause": revision === 2 ? "faster" : "",
    },
    ownerReferences: [{ uid: owner, kind: "Deployment", name: "web", controller: true }],
  },
  spec: { template: template(image, { "pod-template-hash": String(revision) }) },
});

describe("rollout status", () => {
  const answer =
    (...states: object[]): Answer =>
    ({ path }) =>
      path.includes("watch=true")
        ? new Response(
            states
              .slice(1)
              .map((object) => `${JSON.stringify({ type: "MODIFIED", object })}\n`)
              .join(""),
          )
        : states[0];

  test("follows the deployment in kubectl's words until it is done", async () => {
    const states = [deployment(0, 0), deployment(1, 1), deployment(2, 1, 3), deployment(2, 1), deployment(2, 2)];
    expect(await wherry(["rollout", "status", "deployment/web"], { answer: answer(...states) })).toMatchObject({
      code: 0,
      out: [
        'Waiting for deployment "web" rollout to finish: 0 out of 2 new replicas have been updated...',
        'Waiting for deployment "web" rollout to finish: 1 out of 2 new replicas have been updated...',
        'Waiting for deployment "web" rollout to finish: 1 old replicas are pending termination...',
        'Waiting for deployment "web" rollout to finish: 1 of 2 updated replicas are available...',
        'deployment "web" successfully rolled out',
        "",
      ].join("\n"),
    });
  });

  test("fails when the deadline is exceeded", async () => {
    const late = deployment(0, 0, 2, {
      conditions: [{ type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded" }],
    });
    const { code, err } = await wherry(["rollout", "status", "deployment", "web"], { answer: answer(late) });
    expect({ code, err }).toEqual({ code: 1, err: 'error: deployment "web" exceeded its progress deadline\n' });
  });

  test("what has no rollout is wrong usage", async () => {
    const { code, err } = await wherry(["rollout", "status", "pod/web"]);
    expect(code).toBe(2);
    expect(err).toContain("a Pod has no rollout");
  });
});

describe("rollout history and undo", () => {
  const answer: Answer = ({ method, path }) => {
    if (path.includes("/replicasets"))
      return {
        items: [replicaSet(3, "c"), replicaSet(1, "a"), replicaSet(2, "b"), replicaSet(9, "x", "somebody else")],
      };
    return method === "PATCH" || method === "GET" ? deployment(2, 2) : undefined;
  };

  test("history lists the revisions of this deployment, oldest first", async () => {
    expect((await wherry(["rollout", "history", "deployment/web"], { answer })).out).toBe(
      "deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         <none>\n2         faster\n3         <none>\n\n",
    );
  });

  test("undo goes to the revision before: its template without the hash, its annotations, the deployment's own kept", async () => {
    const { out, requests } = await wherry(["rollout", "undo", "deployment/web"], { answer });
    expect(out).toBe("deployment.apps/web rolled back\n");
    const patch = requests.at(-1);
    expect(patch?.headers.get("content-type")).toBe("application/json-patch+json");
    expect(patch?.body).toEqual([
      { op: "replace", path: "/spec/template", value: template("b") },
      {
        op: "replace",
        path: "/metadata/annotations",
        value: { "deployment.kubernetes.io/revision": "3", "kubernetes.io/change-cause": "faster" },
      },
    ]);
  });

  test("undo to the revision that runs, or to one that is not there", async () => {
    const undo = (revision: number) =>
      wherry(["rollout", "undo", "deployment/web", `--to-revision=${revision}`], { answer });
    expect((await undo(3)).out).toBe(
      "deployment.apps/web skipped rollback (current template already matches revision 3)\n",
    );
    expect(await undo(7)).toMatchObject({ code: 1, err: "error: unable to find specified revision 7 in history\n" });
  });
});

describe("logs", () => {
  const pod = (name: string, created: string, containers = ["nginx"]) => ({
    metadata: { name, namespace: "default", creationTimestamp: created },
    spec: { containers: containers.map((container) => ({ name: container })) },
    status: { phase: "Running" },
  });
  const log: Answer = ({ path }) => {
    if (path.includes("/log?"))
      return new Response(`${/pods\/(\w+)\/log/.exec(path)?.[1]}: ${/container=(\w+)/.exec(path)?.[1]}\n`);
    if (path.includes("/pods?")) return { items: [pod("b", "2026-01-02T00:00:00Z"), pod("a", "2026-01-01T00:00:00Z")] };
    if (path.endsWith("/deployments/web")) return deployment(2, 2);
    return pod("a", "2026-01-01T00:00:00Z", ["nginx", "side"]);
  };

  test("of a pod are its first container's, said when there are more", async () => {
    const { out, err, requests } = await wherry(["logs", "a", "--tail=3", "--since=2m", "--timestamps"], {
      answer: log,
    });
    expect({ out, err }).toEqual({ out: "a: nginx\n", err: 'Defaulted container "nginx" out of: nginx, side\n' });
    expect(requests.at(-1)?.path).toEndWith("?container=nginx&timestamps=true&tailLines=3&sinceSeconds=120");
  });

  test("--all-containers, one after the other, and --prefix", async () => {
    expect((await wherry(["logs", "a", "--all-containers"], { answer: log })).out).toBe("a: nginx\na: side\n");
    expect((await wherry(["logs", "a", "-c", "side", "--prefix"], { answer: log })).out).toBe("[pod/a/side] a: side\n");
  });

  test("of a deployment are its oldest pod's; of labels every pod's last lines", async () => {
    const { out, err } = await wherry(["logs", "deployment/web"], { answer: log });
    expect({ out, err }).toEqual({ out: "a: nginx\n", err: "Found 2 pods, using pod/a\n" });
    const labelled = await wherry(["logs", "-l", "app=web"], { answer: log });
    expect(labelled.out).toBe("b: nginx\na: nginx\n");
    expect(labelled.requests.at(-1)?.path).toContain("tailLines=10");
    const all = await wherry(["logs", "-l", "app=web", "--tail=-1"], { answer: log });
    expect(all.requests.at(-1)?.path).not.toContain("tailLines");
  });

  test("--all-pods tells the pods apart", async () => {
    const { out, err } = await wherry(["logs", "deployment/web", "--all-pods"], { answer: log });
    expect({ out, err }).toEqual({ out: "[pod/a/nginx] a: nginx\n[pod/b/nginx] b: nginx\n", err: "" });
  });
});
