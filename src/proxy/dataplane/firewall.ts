/**
 * A host whose firewall closes iptables' INPUT chain (ufw, or a policy of DROP) would drop what our table has led to the
 * private address; other proxies' connections pass FORWARD and never meet that chain. So one rule accepts there what is for
 * the private address and came by translation: Services' frontends, nothing else. Only where the chain has something
 * in it; and by the iptables tool, because a rule of nft's in iptables' table makes iptables refuse to list it. A firewall
 * written in nft itself has to accept `ip daddr 169.254.43.1 ct status dnat` on its own.
 */
import { run } from "./host_tool.ts";

function rule(address: string): string[] {
  const match = ["-d", `${address}/32`, "-m", "conntrack", "--ctstate", "DNAT"];
  return [...match, "-m", "comment", "--comment", "wherry-proxy", "-j", "ACCEPT"];
}

/** True when the rule was needed and missing. */
export async function acceptOnInput(address: string): Promise<boolean> {
  // Asked of nft first, because iptables makes the chain that it is asked about. Comments do not show here.
  const chain = await run(["nft", "list", "chain", "ip", "filter", "INPUT"]).catch(() => "");
  const lines = chain.split("\n").slice(3, -3);
  if (!/policy drop/.test(chain) && lines.every((line) => line.includes(address))) return false;
  if (await iptables("-C", address)) return false;
  return iptables("-I", address);
}

/** No error when there is no such rule. */
export async function forgetInput(address: string): Promise<void> {
  const chain = await run(["nft", "list", "chain", "ip", "filter", "INPUT"]).catch(() => "");
  if (chain.includes(address)) await iptables("-D", address);
}

/** Whether it succeeded; without the tool it does not. -I puts the rule first. */
function iptables(verb: "-C" | "-I" | "-D", address: string): Promise<boolean> {
  return run(["iptables", "-w", "5", verb, "INPUT", ...rule(address)]).then(
    () => true,
    () => false,
  );
}
