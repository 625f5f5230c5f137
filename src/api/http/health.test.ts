import { expect, test } from "bun:test";
import { testServer } from "./http.test_support.ts";

test("readyz fails with the name of what is wrong, while livez looks only at what a restart could mend", async () => {
  let fault: string | undefined = "not elected yet";
  const server = testServer({
    checks: [
      { name: "leader", live: false, check: () => fault },
      { name: "store", live: true, check: async () => undefined },
    ],
  });
  const failed = await server.fetchPlain("/readyz");
  expect(failed.status).toBe(500);
  expect(await failed.text()).toBe("[+]ping ok\n[-]leader failed: not elected yet\n[+]store ok\nreadyz check failed\n");
  expect((await server.fetchPlain("/livez")).status).toBe(200);
  expect((await server.fetchPlain("/readyz?exclude=leader")).status).toBe(200);
  expect((await server.fetchPlain("/readyz/leader")).status).toBe(500);
  expect((await server.fetchPlain("/readyz/nothing")).status).toBe(404);
  fault = undefined;
  expect(await (await server.fetchPlain("/readyz")).text()).toBe("ok");
  expect(await (await server.fetchPlain("/readyz?verbose")).text()).toContain("[+]leader ok\n");
});

test("version says which Kubernetes this is, and whose", async () => {
  const version = await (await testServer().fetchPlain("/version")).json();
  expect(version).toMatchObject({ major: "1", minor: "35", gitVersion: "v1.35.0+wherry.0.1.0" });
});

test("metrics count requests by verb, resource and code", async () => {
  const server = testServer({ metrics: () => "wherry_up 1\n" });
  await server.fetch("/api/v1/pods");
  const text = await (await server.fetch("/metrics")).text();
  expect(text).toContain('apiserver_request_total{verb="GET",resource="pods",code="200"} 1\n');
  expect(text).toEndWith("wherry_up 1\n");
});
