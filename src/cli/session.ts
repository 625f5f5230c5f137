import { DiskError } from "../env/disk.ts";
import { describeError } from "../env/log.ts";
import type { CliEnv, GlobalFlags, Session } from "./cli.ts";
import { UsageError } from "./failure.ts";
import { httpConnection } from "./http_connection.ts";
import { clusterAccess } from "./kubeconfig_file.ts";
import { absolutePath, directoryOf } from "./path.ts";
import { yamlProblem } from "./yaml_problem.ts";

/**
 * The kubeconfig in force: --kubeconfig, then KUBECONFIG (the first file of its list that is there), then that of a
 * node on this machine, then ~/.kube/config.
 */
export async function findKubeconfig(env: CliEnv, flags: GlobalFlags): Promise<string> {
  if (flags.kubeconfig !== undefined) {
    const path = absolutePath(env.workingDirectory, flags.kubeconfig);
    if (await env.disk.exists(path)) return path;
    throw new UsageError(`no kubeconfig at ${path}, which --kubeconfig names`);
  }
  const listed = (env.environment.KUBECONFIG ?? "").split(":").filter((path) => path !== "");
  const home = env.environment.HOME;
  const candidates =
    listed.length > 0
      ? listed.map((path) => absolutePath(env.workingDirectory, path))
      : [...nodeKubeconfigs(env), ...(home === undefined ? [] : [`${home}/.kube/config`])];
  for (const path of candidates) if (await env.disk.exists(path)) return path;
  throw new UsageError(
    `no kubeconfig at ${candidates.join(" nor ")}: start a node by "wherry up", or name a file by --kubeconfig`,
  );
}

/** Where a node on this machine writes its kubeconfig. */
export function nodeKubeconfigs(env: Pick<CliEnv, "environment">): string[] {
  const { WHERRY_WRITE_KUBECONFIG: written, WHERRY_DATA_DIR: dataDir } = env.environment;
  return [...(written ? [written] : []), `${dataDir || "/var/lib/wherry"}/kubeconfig.yaml`];
}

export async function openSession(env: CliEnv, flags: GlobalFlags, warn: (text: string) => void): Promise<Session> {
  const path = await findKubeconfig(env, flags);
  const readText = async (name: string): Promise<string> => {
    const file = absolutePath(directoryOf(path), name);
    try {
      return new TextDecoder().decode(await env.disk.readFile(file));
    } catch (cause) {
      if (cause instanceof DiskError) throw new UsageError(`the kubeconfig ${file} cannot be read: ${cause.code}`);
      throw cause;
    }
  };
  const { parse } = await import("yaml");
  const text = await readText(path);
  let content: unknown;
  try {
    content = parse(text);
  } catch (cause) {
    throw new UsageError(`the kubeconfig ${path} is not YAML: ${yamlProblem(describeError(cause))}`);
  }
  const access = await clusterAccess({ path, content, context: flags.context, readText });
  return {
    api: httpConnection({
      access,
      httpClient: env.httpClient,
      webSocketClient: env.webSocketClient,
      userAgent: `wherry/${env.version}`,
      warn,
    }),
    namespace: flags.namespace ?? access.namespace ?? "default",
  };
}
