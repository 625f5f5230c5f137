/** Run by pod_network.test.ts inside a network namespace: `unshare -n -m bun pod_network_walk.ts`. Prints "done" or throws. */
import { strict as assert } from "node:assert";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import type { Log } from "../../env/log.ts";
import { bridgeName, createPodNetwork, vethOf } from "../pod_network.ts";

const log: Log = { debug() {}, info() {}, warn() {}, error() {}, with: () => log };
const run = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: "utf8" });
const enter = (pid: number, ...command: string[]) =>
  spawnSync("nsenter", ["-t", String(pid), "-n", ...command], { encoding: "utf8" });

run("ip", "link", "set", "lo", "up");
// The way out, as far as it goes: a pair whose other end answers for 192.0.2.1.
const outside = spawn("unshare", ["-n", "sleep", "600"]);
const pods: ChildProcess[] = [spawn("unshare", ["-n", "sleep", "600"]), spawn("unshare", ["-n", "sleep", "600"])];
const pidOf = (child: ChildProcess) => child.pid ?? assert.fail("no process");
try {
  for (const child of [outside, ...pods])
    while (run("readlink", `/proc/${pidOf(child)}/ns/net`) === run("readlink", "/proc/self/ns/net")) run("true");
  const out = pidOf(outside);
  run("ip", "link", "add", "up0", "mtu", "1400", "type", "veth", "peer", "name", "up1", "netns", String(out));
  run("ip", "addr", "add", "192.0.2.2/24", "dev", "up0");
  run("ip", "link", "set", "up0", "up");
  run("ip", "route", "add", "default", "via", "192.0.2.1");
  enter(out, "ip", "addr", "add", "192.0.2.1/24", "dev", "up1");
  enter(out, "ip", "link", "set", "up1", "up");
  // A Docker that closed FORWARD.
  run("iptables", "-P", "FORWARD", "DROP");
  run("iptables", "-N", "DOCKER-USER");
  run("iptables", "-A", "DOCKER-USER", "-j", "RETURN");
  run("iptables", "-I", "FORWARD", "-j", "DOCKER-USER");

  const network = createPodNetwork(log);
  const config = { podCidr: "10.42.0.0/24", clusterCidr: "10.42.0.0/16", serviceCidr: "10.43.0.0/16" };
  await network.prepareNode(config);
  await network.prepareNode(config);
  assert.equal(run("iptables", "-S", "DOCKER-USER").match(/wherry pods/g)?.length, 2, "accepts are there once");
  assert.match(run("ip", "link", "show", bridgeName), /mtu 1400/);

  const [first = 0, second = 0] = pods.map(pidOf);
  await network.attach("uid-1", first, "10.42.0.2/24");
  await network.attach("uid-2", second, "10.42.0.3/24");
  await network.attach("uid-1", first, "10.42.0.2/24");
  // A refusal is an answer: it came from the other end, and found its way back.
  const connect = (address: string) => ["timeout", "3", "bash", "-c", `echo > /dev/tcp/${address}/9`];
  const reaches = (pid: number, address: string) => {
    const tried = enter(pid, ...connect(address));
    assert.match(tried.stderr, /Connection refused/, `${pid} reaches ${address}: ${tried.stderr}`);
  };
  reaches(first, "10.42.0.3");
  reaches(second, "10.42.0.1");
  reaches(first, "192.0.2.2");
  // Masqueraded: the other end knows no way to 10.42.0.0/24.
  reaches(first, "192.0.2.1");
  const fromNode = spawnSync("bash", ["-c", "echo > /dev/tcp/10.42.0.2/9"], { encoding: "utf8", timeout: 3000 });
  assert.match(fromNode.stderr, /Connection refused/, "the node reaches a pod");

  // What a pod sends to a virtual address comes back to a pod of the same bridge, also to itself.
  run("nft", "add", "table", "ip", "test_nat");
  run("nft", "add chain ip test_nat prerouting { type nat hook prerouting priority dstnat; }");
  run("nft", "add rule ip test_nat prerouting ip daddr 10.43.0.9 dnat to 10.42.0.2");
  run("nft", "add chain ip test_nat postrouting { type nat hook postrouting priority srcnat; }");
  run("nft", "add rule ip test_nat postrouting ip saddr 10.42.0.2 ip daddr 10.42.0.2 masquerade");
  reaches(second, "10.43.0.9");
  reaches(first, "10.43.0.9");

  // An address of the cluster that nobody has does not leave the machine.
  assert.match(run("ip", "route", "show", "type", "unreachable"), /10\.42\.0\.0\/16.*\n?.*10\.43\.0\.0\/16/);
  const lost = spawnSync("ip", ["route", "get", "10.42.9.9"], { encoding: "utf8" });
  assert.match(lost.stderr, /No route to host|unreachable/i);

  // Half of an attempt: the pair is there, the pod's side is bare.
  enter(second, "ip", "addr", "flush", "dev", "eth0");
  await network.attach("uid-2", second, "10.42.0.3/24");
  reaches(second, "10.42.0.2");

  // The bridge was taken away and is there again: the pair is put back on it.
  run("ip", "link", "del", bridgeName);
  await network.prepareNode(config);
  await network.attach("uid-1", first, "10.42.0.2/24");
  await network.attach("uid-2", second, "10.42.0.3/24");
  reaches(second, "10.42.0.2");

  // A pod that chose its own way out keeps it when a restarted kubelet takes it over.
  enter(second, "ip", "route", "replace", "default", "dev", "lo");
  await network.attach("uid-2", second, "10.42.0.3/24");
  assert.match(enter(second, "ip", "route", "show", "default").stdout, /dev lo/);

  // A restarted control plane with another network.
  await createPodNetwork(log).prepareNode({ ...config, podCidr: "10.42.1.0/24" });
  assert.doesNotMatch(run("ip", "addr", "show", "dev", bridgeName), /10\.42\.0\.1\//);

  await network.detach("uid-1");
  await network.detach("uid-1");
  assert.notEqual(spawnSync("ip", ["link", "show", vethOf("uid-1")]).status, 0, "the pair is gone");
  await network.removeNode();
  await network.removeNode();
  assert.doesNotMatch(run("ip", "link"), /wherry|whr/);
  assert.doesNotMatch(run("nft", "list", "ruleset"), /wherry/);
  assert.doesNotMatch(run("iptables", "-S"), /wherry/);
  assert.equal(run("ip", "route", "show", "type", "unreachable"), "");
  console.log("done");
} finally {
  for (const child of [outside, ...pods]) child.kill("SIGKILL");
}
