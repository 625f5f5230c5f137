import type { Env } from "../env.ts";
import type { LogLevel } from "../log.ts";
import { realClock } from "./clock.ts";
import { realDisk } from "./disk.ts";
import { realHttpClient } from "./http_client.ts";
import { realHttpServer } from "./http_server.ts";
import { createLog } from "./log.ts";
import { realPeerLink } from "./peer_link.ts";
import { realPki } from "./pki.ts";
import { realRandom } from "./random.ts";

export interface RealEnvOptions {
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
}

/** The true effects: this machine's clock, disk, network and randomness. Logs go to standard error. */
export function realEnv(options: RealEnvOptions): Env {
  const log = createLog({
    level: options.logLevel,
    format: options.logFormat,
    clock: realClock,
    write: (line) => void process.stderr.write(`${line}\n`),
  });
  return {
    clock: realClock,
    random: realRandom,
    disk: realDisk,
    log,
    http: realHttpServer(log.with({ area: "http" })),
    httpClient: realHttpClient,
    pki: realPki(realClock, realRandom),
    peers: realPeerLink({ clock: realClock, random: realRandom, log: log.with({ area: "peers" }) }),
  };
}
