import type { Clock } from "../../env/clock.ts";
import type { Log } from "../../env/log.ts";
import type { KindRegistry } from "../../kinds/registry.ts";
import type { Authorizer } from "../authorization.ts";
import type { ClusterDesk } from "../cluster_desk.ts";
import type { ApiCore, JsonBytes } from "../core.ts";
import type { KubeletDirectory } from "../kubelet_link.ts";
import type { Authenticator } from "./authentication.ts";
import type { HealthCheck } from "./health.ts";
import type { BuildInfo } from "./version.ts";

/** What the HTTP face is made of. Everything behind it is injected. */
export interface HttpOptions {
  readonly core: ApiCore;
  readonly kinds: KindRegistry;
  readonly authenticate: Authenticator;
  /** For what HTTP does without the core: logs and streams of pods. */
  readonly authorizer: Authorizer;
  readonly kubelets: KubeletDirectory;
  readonly clock: Clock;
  readonly log: Log;
  readonly build: BuildInfo;
  /** Absent where the store is nobody's cluster. */
  readonly cluster?: ClusterDesk;
  /** Conditions of /readyz and /livez. */
  readonly checks?: readonly HealthCheck[];
  /** More lines for /metrics, in Prometheus' text format. */
  readonly metrics?: () => string;
  /** JSON of an object that many receive, made once. Default: made each time. */
  readonly jsonBytes?: JsonBytes;
}
