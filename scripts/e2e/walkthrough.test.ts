/** Issue 2's main job, command for command, with the stock kubectl on a real Docker Engine. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createSocket } from "node:dgram";
import { statSync } from "node:fs";
import { join } from "node:path";
import { capture, eventually, must } from "./command.ts";
import { NodeUnderTest, stockKubectl } from "./node_under_test.ts";
import { programImage } from "./program_image.ts";

setDefaultTimeout(120_000);

let node: NodeUnderTest;

beforeAll(async () => {
  await programImage("echo_server");
  node = await NodeUnderTest.start();
}, 400_000);

afterAll(async () => {
  await node?.destroy();
}, 120_000);

async function fetchPage(url: string): Promise<string> {
  return must("curl", ["-sS", "--max-time", "5", url]);
}

describe("the walk-through", () => {
  test("the ready line names the address and the node, and the kubeconfig is private", () => {
    expect(node.readyLine).toMatch(new RegExp(`^ready https://[0-9.]+:${node.port} node=boat$`));
    expect(statSync(join(node.dataDir, "kubeconfig.yaml")).mode & 0o777).toBe(0o600);
  });

  test("kubectl version and get nodes", async () => {
    expect(await node.mustKubectl(["version"])).toMatch(/Server Version: v1\.35\.\d+\+wherry/);
    const nodes = await node.mustKubectl(["get", "nodes"]);
    expect(nodes).toMatch(/^NAME +STATUS +ROLES +AGE +VERSION\nboat +Ready /);
  });

  test("kubectl run makes a pod that runs in k8s_ containers", async () => {
    expect(await node.mustKubectl(["run", "nginx", "--image=nginx", "--port=80"])).toBe("pod/nginx created\n");
    await node.mustKubectl(["wait", "--for=condition=Ready", "pod/nginx", "--timeout=60s"]);
    const pods = await node.mustKubectl(["get", "pods"]);
    expect(pods).toMatch(/^NAME +READY +STATUS +RESTARTS +AGE\nnginx +1\/1 +Running +0 +\d+s\n$/);
    const names = await node.dockerPs();
    expect(names.some((name) => name.startsWith("k8s_nginx_nginx_default_"))).toBe(true);
    expect(names.some((name) => name.startsWith("k8s_POD_nginx_default_"))).toBe(true);
  });

  test("a Deployment, exposed, gives nginx's welcome page through its Service, from the host and from a pod", async () => {
    await node.mustKubectl(["create", "deployment", "nginx", "--image=nginx", "--port=80"]);
    await node.mustKubectl(["rollout", "status", "deployment/nginx", "--timeout=60s"]);
    const exposed = await node.mustKubectl(["expose", "deployment", "nginx", "--port=8080", "--target-port=80"]);
    expect(exposed).toBe("service/nginx exposed\n");
    expect(await node.mustKubectl(["get", "svc", "nginx"])).toMatch(
      /nginx +ClusterIP +10\.43\.\d+\.\d+ +<none> +8080\/TCP/,
    );
    const ip = await node.mustKubectl(["get", "svc", "nginx", "--template={{.spec.clusterIP}}"]);
    await eventually("the welcome page", async () =>
      (await fetchPage(`http://${ip}:8080/`)).includes("Welcome to nginx"),
    );
    await node.mustKubectl(["run", "shell", "--image=busybox", "--", "sleep", "3600"]);
    await node.mustKubectl(["wait", "--for=condition=Ready", "pod/shell", "--timeout=60s"]);
    const inside = await node.mustKubectl(["exec", "shell", "--", "wget", "-q", "-O-", `http://${ip}:8080/`]);
    expect(inside).toContain("Welcome to nginx");
    // A port that no Service has is refused.
    const pod = (await node.mustKubectl(["get", "pods", "-l", "app=nginx", "-o", "name"])).trim();
    const refused = await capture("curl", ["-sS", "--max-time", "5", `http://${ip}:81/`]);
    // 7: the connection was refused at once, not left to time out.
    expect(refused.code).toBe(7);
    expect(pod).toMatch(/^pod\/nginx-/);
  });

  test("a NodePort answers on the node's address and on loopback", async () => {
    await node.mustKubectl(["expose", "deployment", "nginx", "--name=outside", "--port=80", "--type=NodePort"]);
    const port = await node.mustKubectl(["get", "svc", "outside", "-o", "jsonpath={.spec.ports[0].nodePort}"]);
    expect(Number(port)).toBeGreaterThanOrEqual(30000);
    const address = await node.mustKubectl(["get", "node", "boat", "-o", "jsonpath={.status.addresses[0].address}"]);
    for (const host of [address, "127.0.0.1"])
      await eventually("the page on the NodePort", async () =>
        (await fetchPage(`http://${host}:${port}/`)).includes("Welcome"),
      );
  });

  test("a UDP Service echoes", async () => {
    const manifest = {
      apiVersion: "v1",
      kind: "List",
      items: [
        {
          apiVersion: "v1",
          kind: "Pod",
          metadata: { name: "echo", labels: { app: "echo" } },
          spec: {
            containers: [{ name: "echo", image: "wherry-echo-server" }],
          },
        },
        {
          apiVersion: "v1",
          kind: "Service",
          metadata: { name: "echo" },
          spec: { selector: { app: "echo" }, ports: [{ protocol: "UDP", port: 7007, targetPort: 7 }] },
        },
      ],
    };
    await node.mustKubectl(["apply", "-f", "-"], { input: JSON.stringify(manifest) });
    await node.mustKubectl(["wait", "--for=condition=Ready", "pod/echo", "--timeout=60s"]);
    const ip = await node.mustKubectl(["get", "svc", "echo", "-o", "jsonpath={.spec.clusterIP}"]);
    await eventually("the echo", () => udpEcho(ip, 7007, "ahoy"));
  });

  test("scale, set image, rollout status, history and undo", async () => {
    expect(await node.mustKubectl(["scale", "deployment/nginx", "--replicas=3"])).toBe(
      "deployment.apps/nginx scaled\n",
    );
    await node.mustKubectl(["rollout", "status", "deployment/nginx", "--timeout=60s"]);
    expect(await node.mustKubectl(["get", "deployment", "nginx"])).toMatch(/nginx +3\/3 +3 +3 /);
    await node.mustKubectl(["set", "image", "deployment/nginx", "nginx=nginx:1.27"]);
    const rolled = await node.mustKubectl(["rollout", "status", "deployment/nginx", "--timeout=90s"]);
    expect(rolled).toContain('deployment "nginx" successfully rolled out');
    const images = () => node.mustKubectl(["get", "deployment", "nginx", "-o", "jsonpath={..image}"]);
    expect(await images()).toBe("nginx:1.27");
    expect(await node.mustKubectl(["rollout", "history", "deployment/nginx"])).toMatch(/\n1 +<none>\n2 +<none>\n/);
    await node.mustKubectl(["rollout", "undo", "deployment/nginx"]);
    await node.mustKubectl(["rollout", "status", "deployment/nginx", "--timeout=90s"]);
    expect(await images()).toBe("nginx");
    const replicas = await node.mustKubectl([
      "get",
      "pods",
      "-l",
      "app=nginx",
      "--field-selector=status.phase=Running",
      "-o",
      "name",
    ]);
    await eventually("three pods of the first revision", async () => {
      const left = await node.mustKubectl([
        "get",
        "pods",
        "-l",
        "app=nginx",
        "-o",
        "jsonpath={range .items[*]}{.spec.containers[0].image}{'\\n'}{end}",
      ]);
      return left === "nginx\nnginx\nnginx\n";
    });
    expect(replicas).toContain("pod/nginx-");
  });

  test("logs -f follows what the container writes until it ends", async () => {
    await node.mustKubectl([
      "run",
      "teller",
      "--image=busybox",
      "--restart=Never",
      "--",
      "sh",
      "-c",
      "for i in 1 2 3; do echo line $i; sleep 0.3; done",
    ]);
    await eventually("the container to start", async () => (await node.kubectl(["logs", "teller"])).code === 0);
    expect(await node.mustKubectl(["logs", "-f", "teller"])).toBe("line 1\nline 2\nline 3\n");
    await node.mustKubectl(["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/teller", "--timeout=30s"]);
    expect(await node.mustKubectl(["logs", "--tail=1", "teller"])).toBe("line 3\n");
    expect(await node.mustKubectl(["get", "pod", "teller"])).toMatch(/teller +0\/1 +Completed +0/);
  });

  test("exec passes streams and the exit code, and -it has a terminal", async () => {
    const cat = await node.kubectl(["exec", "-i", "shell", "--", "cat"], { input: "through and back" });
    expect(cat.stdout).toBe("through and back");
    const failed = await node.kubectl(["exec", "shell", "--", "sh", "-c", "echo oops >&2; exit 3"]);
    expect(failed.code).toBe(3);
    expect(failed.stderr).toContain("oops");
    const kubectl = await stockKubectl();
    const session = await capture("script", ["-qec", `${kubectl} exec -it shell -- sh`, "/dev/null"], {
      env: node.environment(),
      input: "tty && stty size; exit\n",
    });
    expect(session.stdout).toContain("/dev/pts/");
  });

  test("a pod behind a Service reaches itself through its virtual address", async () => {
    const serve = "echo mine > /index.html; exec httpd -f -p 8000 -h /";
    await node.mustKubectl(["run", "self", "--image=busybox", "--port=8000", "--expose", "--", "sh", "-c", serve]);
    await node.mustKubectl(["wait", "--for=condition=Ready", "pod/self", "--timeout=60s"]);
    const ip = await node.mustKubectl(["get", "svc", "self", "-o", "jsonpath={.spec.clusterIP}"]);
    await eventually("the pod's own page", async () => {
      const { stdout } = await node.kubectl(["exec", "self", "--", "wget", "-q", "-O-", `http://${ip}:8000/`]);
      return stdout === "mine\n";
    });
  });

  test("run -i --rm attaches, passes both streams and leaves nothing behind", async () => {
    const args = ["run", "once", "--image=busybox", "--restart=Never", "-i", "--rm", "--quiet", "--", "cat"];
    const { stdout } = await node.kubectl(args, { input: "to and fro\n" });
    expect(stdout).toContain("to and fro");
    await eventually("the pod to be gone", async () => (await node.kubectl(["get", "pod", "once"])).code === 1);
  });

  test("cp carries a file into a pod and out of it", async () => {
    const [there, back] = [join(node.directory, "there"), join(node.directory, "back")];
    await Bun.write(there, "cargo".repeat(100_000));
    await node.mustKubectl(["cp", there, "shell:/cargo"]);
    await node.mustKubectl(["cp", "shell:/cargo", back]);
    expect(await Bun.file(back).text()).toBe(await Bun.file(there).text());
  });

  test("describe tells the pod's story with its events", async () => {
    const text = await node.mustKubectl(["describe", "pod", "nginx"]);
    for (const reason of ["Scheduled", "Pulled", "Created", "Started"]) expect(text).toContain(reason);
    expect(text).toMatch(/Status: +Running/);
  });

  test("delete ends the containers and frees the names", async () => {
    await node.mustKubectl(["delete", "deployment", "nginx"]);
    await node.mustKubectl(["delete", "service", "nginx", "outside", "echo", "self"]);
    await node.mustKubectl(["delete", "pod", "--all", "--now", "--timeout=90s"]);
    await eventually("all containers to be gone", async () => (await node.dockerPs()).length === 0, 60_000);
    expect((await node.kubectl(["get", "pods"])).stderr).toBe("No resources found in default namespace.\n");
  });
});

function udpEcho(address: string, port: number, text: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    const finish = (heard: boolean) => {
      clearTimeout(timer);
      socket.close();
      resolve(heard);
    };
    const timer = setTimeout(() => finish(false), 1000);
    socket.on("message", (message) => finish(message.toString() === text));
    socket.on("error", () => finish(false));
    socket.send(text, port, address);
  });
}
