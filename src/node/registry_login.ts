/** Which login a pod's imagePullSecrets hold for the registry of an image. Pure. */
import { z } from "zod";
import type { Secret } from "../kinds/core/secret.ts";
import type { Observed } from "../kinds/kind.ts";
import type { RegistryLogin } from "./container_runtime.ts";

const Entry = z.object({
  username: z.string().optional(),
  password: z.string().optional(),
  auth: z.string().optional(),
});
const DockerConfig = z.object({ auths: z.record(z.string(), Entry).default({}) });

const hub = "docker.io";

/** "docker.io" for a name without a host. */
export function registryOf(image: string): string {
  const [first = "", ...rest] = image.split("/");
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  return isHost ? first : hub;
}

/** "https://index.docker.io/v1/" and "docker.io" are one registry; paths of others do not count. */
function hostOf(key: string): string {
  const host = key.replace(/^https?:\/\//, "").split("/")[0] ?? "";
  return host === "index.docker.io" || host === "registry-1.docker.io" ? hub : host;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A secret that is no JSON holds no login; the pull tells.
    return undefined;
  }
}

/** The first login for the image's registry; undefined: pull without. */
export function loginFor(image: string, secrets: readonly Observed<Secret>[]): RegistryLogin | undefined {
  const registry = registryOf(image);
  for (const { data = {} } of secrets) {
    const modern = data[".dockerconfigjson"];
    const old = data[".dockercfg"];
    const content = parse(Buffer.from(modern ?? old ?? "", "base64").toString("utf8"));
    const config = DockerConfig.safeParse(modern === undefined ? { auths: content } : content);
    if (!config.success) continue;
    for (const [key, entry] of Object.entries(config.data.auths)) {
      if (hostOf(key) !== registry) continue;
      const decoded = Buffer.from(entry.auth ?? "", "base64").toString("utf8");
      const colon = decoded.indexOf(":");
      const username = entry.username ?? (colon < 0 ? "" : decoded.slice(0, colon));
      const password = entry.password ?? (colon < 0 ? "" : decoded.slice(colon + 1));
      if (username !== "") return { username, password, serverAddress: key };
    }
  }
  return undefined;
}
