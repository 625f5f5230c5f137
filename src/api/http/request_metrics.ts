/** HTTP/2 lets anyone, also without a token, make methods up: they share one count, or memory would grow with each. */
const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** Counts for /metrics, under the API server's own names where it has them. */
export class RequestMetrics {
  readonly #requests = new Map<string, number>();
  #inFlight = 0;

  started(): void {
    this.#inFlight++;
  }

  finished(method: string, resource: string, code: number): void {
    this.#inFlight--;
    const verb = methods.has(method) ? method : "other";
    const labels = `verb="${verb}",resource="${resource}",code="${code}"`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
  }

  /** Prometheus' text format. */
  text(gitVersion: string): string {
    const lines = [
      "# HELP kubernetes_build_info A metric with a constant '1' value labelled by the version.",
      "# TYPE kubernetes_build_info gauge",
      `kubernetes_build_info{git_version="${gitVersion}"} 1`,
      "# HELP apiserver_current_inflight_requests Requests being served, watches left out once they have begun.",
      "# TYPE apiserver_current_inflight_requests gauge",
      `apiserver_current_inflight_requests ${this.#inFlight}`,
      "# HELP apiserver_request_total Requests answered, by verb, resource and code.",
      "# TYPE apiserver_request_total counter",
      ...[...this.#requests].map(([labels, count]) => `apiserver_request_total{${labels}} ${count}`),
    ];
    return `${lines.join("\n")}\n`;
  }
}
