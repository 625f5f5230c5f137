import { describeError } from "../../env/log.ts";
import { textAnswer } from "./respond.ts";

/** One named condition of /readyz; with `live` also of /livez and /healthz, where failing means: restart me. */
export interface HealthCheck {
  readonly name: string;
  readonly live: boolean;
  /** undefined: well. Otherwise what is wrong, in words. */
  check(): string | undefined | Promise<string | undefined>;
}

export type HealthPath = "healthz" | "livez" | "readyz";

/** "ok", or with ?verbose or a failure one line a check, as Kubernetes prints them. ?exclude=NAME leaves one out. */
export async function healthAnswer(path: HealthPath, url: URL, checks: readonly HealthCheck[]): Promise<Response> {
  const excluded = new Set(url.searchParams.getAll("exclude"));
  const only = url.pathname.split("/")[2];
  const chosen = checks.filter(
    ({ name, live }) => (live || path === "readyz") && !excluded.has(name) && (only === undefined || only === name),
  );
  if (only !== undefined && only !== "ping" && chosen.length === 0) return textAnswer(404, "404 page not found\n");
  let text = only === undefined || only === "ping" ? "[+]ping ok\n" : "";
  let failed = false;
  for (const one of chosen) {
    const fault = await Promise.resolve()
      .then(() => one.check())
      .catch((error) => describeError(error));
    if (fault === undefined) text += `[+]${one.name} ok\n`;
    else {
      failed = true;
      text += `[-]${one.name} failed: ${fault}\n`;
    }
  }
  if (failed) return textAnswer(500, `${text}${path} check failed\n`);
  return textAnswer(200, url.searchParams.has("verbose") ? `${text}${path} check passed\n` : "ok");
}
