import { expect, test } from "bun:test";
import { RequestMetrics } from "./request_metrics.ts";

test("methods that a client makes up share one count", () => {
  const metrics = new RequestMetrics();
  for (const method of ["GET", "ONE", 'TWO",evil="', "THREE"]) {
    metrics.started();
    metrics.finished(method, "pods", 401);
  }
  const lines = metrics.text("v1").split("\n");
  expect(lines.filter((line) => line.startsWith("apiserver_request_total{"))).toEqual([
    'apiserver_request_total{verb="GET",resource="pods",code="401"} 1',
    'apiserver_request_total{verb="other",resource="pods",code="401"} 3',
  ]);
});
