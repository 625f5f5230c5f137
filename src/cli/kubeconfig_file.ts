import { z } from "zod";
import type { ClientTls } from "../env/http.ts";
import { UsageError } from "./failure.ts";

/** How to reach and trust a cluster, and as whom. */
export interface ClusterAccess {
  /** Without a slash at the end. */
  readonly server: string;
  readonly tls: ClientTls;
  readonly token: string | undefined;
  readonly namespace: string | undefined;
  readonly contextName: string;
}

const Named = z.object({ name: z.string() });
const KubeconfigFile = z.object({
  "current-context": z.string().default(""),
  contexts: z
    .array(
      Named.extend({
        context: z.object({ cluster: z.string(), user: z.string().default(""), namespace: z.string().optional() }),
      }),
    )
    .nullish()
    .transform((list) => list ?? []),
  clusters: z
    .array(
      Named.extend({
        cluster: z.object({
          server: z.string(),
          "certificate-authority-data": z.string().optional(),
          "certificate-authority": z.string().optional(),
          "insecure-skip-tls-verify": z.boolean().optional(),
        }),
      }),
    )
    .nullish()
    .transform((list) => list ?? []),
  users: z
    .array(
      Named.extend({
        user: z
          .object({
            token: z.string().optional(),
            tokenFile: z.string().optional(),
            "client-certificate-data": z.string().optional(),
            "client-certificate": z.string().optional(),
            "client-key-data": z.string().optional(),
            "client-key": z.string().optional(),
          })
          .nullish(),
      }),
    )
    .nullish()
    .transform((list) => list ?? []),
});

export interface KubeconfigSource {
  readonly path: string;
  /** Parsed YAML. */
  readonly content: unknown;
  readonly context: string | undefined;
  /** Text of a file that the kubeconfig names, by a path relative to it. */
  readText(path: string): Promise<string>;
}

/** What the kubeconfig says for one context. Throws UsageError with the file and what is wrong in it. */
export async function clusterAccess({ path, content, context, readText }: KubeconfigSource): Promise<ClusterAccess> {
  const parsed = KubeconfigFile.safeParse(content);
  if (!parsed.success) throw new UsageError(`the kubeconfig ${path} cannot be read: ${z.prettifyError(parsed.error)}`);
  const file = parsed.data;
  const contextName = context ?? file["current-context"];
  const chosen = file.contexts.find(({ name }) => name === contextName)?.context;
  if (chosen === undefined && contextName === "")
    throw new UsageError(
      `the kubeconfig ${path} has no current-context; it has ${list(file.contexts)}: choose one by --context`,
    );
  if (chosen === undefined)
    throw new UsageError(
      `the kubeconfig ${path} has no context "${contextName}"; it has ${list(file.contexts)}: choose one by --context`,
    );
  const cluster = file.clusters.find(({ name }) => name === chosen.cluster)?.cluster;
  if (cluster === undefined)
    throw new UsageError(
      `the context "${contextName}" of ${path} names a cluster "${chosen.cluster}" that is not in it`,
    );
  const user = file.users.find(({ name }) => name === chosen.user)?.user ?? undefined;
  const pem = async (what: string, data: string | undefined, named: string | undefined, wanted: RegExp) => {
    const text = data !== undefined ? decodeBase64(data) : named !== undefined ? await readText(named) : undefined;
    if (text === undefined || wanted.test(text)) return text;
    const where = data === undefined ? `the file ${named} of its ${what}` : `its ${what}-data`;
    throw new UsageError(`the kubeconfig ${path} cannot be used for context "${contextName}": ${where} holds no PEM`);
  };
  const certificate = /-----BEGIN CERTIFICATE-----/;
  const key = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/;
  const caPem = await pem(
    "certificate-authority",
    cluster["certificate-authority-data"],
    cluster["certificate-authority"],
    certificate,
  );
  const certificatePem = await pem(
    "client-certificate",
    user?.["client-certificate-data"],
    user?.["client-certificate"],
    certificate,
  );
  const privateKeyPem = await pem("client-key", user?.["client-key-data"], user?.["client-key"], key);
  const token = user?.token ?? (user?.tokenFile === undefined ? undefined : (await readText(user.tokenFile)).trim());
  return {
    server: cluster.server.replace(/\/+$/, ""),
    tls: {
      ...(caPem === undefined ? {} : { caPem }),
      ...(cluster["insecure-skip-tls-verify"] === true ? { insecureSkipVerify: true } : {}),
      ...(certificatePem === undefined ? {} : { certificatePem }),
      ...(privateKeyPem === undefined ? {} : { privateKeyPem }),
    },
    token,
    namespace: chosen.namespace,
    contextName,
  };
}

/** What is not base64 gives text that is no PEM either. */
function decodeBase64(text: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));
  } catch {
    return "";
  }
}

function list(named: readonly { readonly name: string }[]): string {
  return named.length === 0 ? "none" : named.map(({ name }) => `"${name}"`).join(", ");
}
