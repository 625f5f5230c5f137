/**
 * How a proxy leaves the control group of whoever starts it. systemd ends every process of a unit with the unit, also one with a
 * session of its own; a transient scope (systemd.scope(5)) is a unit of its own. Pure.
 */

export interface Command {
  readonly executable: string;
  readonly args: readonly string[];
}

/** There exactly where systemd is process 1 of what this process sees: sd_booted(3). Not in a container. */
export const bootedPath = "/run/systemd/system";

/** The names of all scopes of proxies begin so. */
export const scopePrefix = "wherry-proxy-";

/**
 * The command inside a scope. systemd-run registers its own process and then becomes the command: pid, output and environment
 * are the command's. `id` must be new in each call: a scope of that name may still hold the proxy before.
 */
export function inScope({ executable, args }: Command, id: string, directory: string): Command {
  const options = [
    "--scope",
    "--quiet",
    // A scope whose processes have failed is forgotten too.
    "--collect",
    `--unit=${scopePrefix}${id}.scope`,
    `--description=Wherry's Service proxy for ${directory.replaceAll("%", "%%")}`,
  ];
  return { executable: "systemd-run", args: [...options, "--", executable, ...args] };
}
