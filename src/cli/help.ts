import { type CommandEntry, commandTable } from "./command_table.ts";

const groups: readonly [CommandEntry["group"], string][] = [
  ["node", "The node"],
  ["objects", "Objects"],
  ["workloads", "Workloads"],
  ["pods", "Pods"],
];

function line(name: string, summary: string): string {
  return `  ${name.padEnd(15)} ${summary}\n`;
}

export function helpText(): string {
  let text = "wherry: Kubernetes in a rowing boat\n\nUsage: wherry COMMAND [FLAGS]\n";
  for (const [group, title] of groups) {
    text += `\n${title}\n`;
    if (group === "node") text += line("up", "run a node in the foreground");
    for (const { name, summary } of commandTable.filter((entry) => entry.group === group)) text += line(name, summary);
  }
  return `${text}
Every command: -n NAMESPACE, --kubeconfig FILE, --context NAME, --help.
Words, flags and output are kubectl's; the cluster is that of KUBECONFIG, else the node on this machine.
`;
}

export function subcommandHelp(path: string, entry: Pick<CommandEntry, "summary" | "subcommands" | "example">): string {
  let text = `${path}: ${entry.summary}\n\nUsage: ${path} COMMAND [FLAGS]\n\n`;
  for (const { name, summary } of entry.subcommands ?? []) text += line(name, summary);
  return entry.example === undefined ? text : `${text}\nExample:\n  ${entry.example}\n`;
}
