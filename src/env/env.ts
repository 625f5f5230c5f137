import type { Clock } from "./clock.ts";
import type { Disk } from "./disk.ts";
import type { HttpClient, HttpServer } from "./http.ts";
import type { Log } from "./log.ts";
import type { PeerLink } from "./peer_link.ts";
import type { Pki } from "./pki.ts";
import type { Random } from "./random.ts";

/** Every effect that the control plane may have. env/real makes the true one, sim/ the simulated one. */
export interface Env {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly log: Log;
  readonly http: HttpServer;
  readonly httpClient: HttpClient;
  readonly pki: Pki;
  readonly peers: PeerLink;
}
