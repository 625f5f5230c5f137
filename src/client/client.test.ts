import { expect, test } from "bun:test";
import { configMapKind } from "../kinds/core/config_map.ts";
import { eventKind } from "../kinds/core/event.ts";
import { editable } from "../kinds/kind.ts";
import { StatusError } from "../kinds/status_error.ts";
import { FakeApi } from "../sim/api_fake.ts";
import { type Simulation, simulate } from "../sim/simulation.ts";
import { Client } from "./client.ts";
import { runController } from "./controller.ts";
import { EventRecorder } from "./events.ts";
import { Informer } from "./informer.ts";
import { Informers } from "./informers.ts";
import { keyOf } from "./object.ts";
import { WorkQueue } from "./workqueue.ts";

function begin(sim: Simulation) {
  const api = new FakeApi(sim.clock, sim.random);
  const client = new Client(api);
  return { api, client, ...sim };
}

const configMap = (name: string, value = "1") => ({ metadata: { namespace: "default", name }, data: { value } });

test("a client creates, reads, changes and deletes objects, and meets conflicts", () =>
  simulate(1, async (sim) => {
    const { client } = begin(sim);
    const created = await client.create(configMapKind, configMap("a"));
    expect(created.metadata.uid).toHaveLength(36);
    expect((await client.list(configMapKind, { namespace: "default" })).items).toHaveLength(1);
    const copy = editable(created);
    copy.data = { value: "2" };
    const updated = await client.update(configMapKind, copy);
    expect(updated.data).toEqual({ value: "2" });
    await expect(client.update(configMapKind, editable(created))).rejects.toMatchObject({ reason: "Conflict" });
    await client.patch(configMapKind, { namespace: "default", name: "a" }, "application/merge-patch+json", {
      data: { more: "3" },
    });
    expect((await client.get(configMapKind, { namespace: "default", name: "a" })).data).toEqual({
      value: "2",
      more: "3",
    });
    await client.delete(configMapKind, { namespace: "default", name: "a" });
    await expect(client.get(configMapKind, { namespace: "default", name: "a" })).rejects.toMatchObject({ code: 404 });
  }));

test("an informer lists, follows, outlives broken watches, and lists again when the history is gone", () =>
  simulate(2, async (sim) => {
    const { client, api, clock } = begin(sim);
    await client.create(configMapKind, configMap("old"));
    const informer = new Informer(configMapKind, { ...sim, client });
    informer.addIndex("value", (object) => [object.data?.value ?? ""]);
    const seen: string[] = [];
    informer.on({
      add: (object) => seen.push(`+${object.metadata.name}`),
      update: (object, old) => seen.push(`~${object.metadata.name} ${old.data?.value}>${object.data?.value}`),
      delete: (object) => seen.push(`-${object.metadata.name}`),
    });
    informer.run(sim.signal);
    await clock.complete(informer.synced, 1000);
    expect(seen).toEqual(["+old"]);

    const { metadata } = await client.create(configMapKind, configMap("new"));
    await clock.advance(1);
    await client.update(configMapKind, {
      metadata: editable(metadata),
      data: { value: "2" },
    });
    await clock.advance(1);
    expect(seen.splice(0)).toEqual(["+old", "+new", "~new 1>2"]);
    expect(informer.byIndex("value", "2").map(keyOf)).toEqual(["default/new"]);
    expect(informer.byIndex("value", "1").map(keyOf)).toEqual(["default/old"]);

    api.dropWatches();
    await client.create(configMapKind, configMap("while-broken"));
    await clock.runUntil(() => seen.length > 0, 10_000);
    expect(seen.splice(0)).toEqual(["+while-broken"]);

    api.dropWatches();
    await client.delete(configMapKind, { namespace: "default", name: "old" });
    await client.create(configMapKind, configMap("unseen"));
    api.compact();
    await clock.runUntil(() => seen.length > 1, 10_000);
    expect(seen.splice(0).sort()).toEqual(["+unseen", "-old"]);
    expect(informer.list().map(keyOf)).toEqual(["default/new", "default/unseen", "default/while-broken"]);
    expect(api.calls.filter((call) => call.startsWith("list"))).toHaveLength(2);
  }));

test("an informer keeps trying while the server is away, with growing pauses", () =>
  simulate(3, async (sim) => {
    const { client, api, clock } = begin(sim);
    api.intercept = () => {
      throw new StatusError(503, "ServiceUnavailable", "away");
    };
    const informers = new Informers({ ...sim, client });
    const informer = informers.of(configMapKind);
    expect(informers.of(configMapKind)).toBe(informer);
    informers.start(sim.signal);
    await clock.advance(60_000);
    expect(informer.hasSynced).toBe(false);
    const tries = api.calls.length;
    expect(tries).toBeGreaterThan(4);
    expect(tries).toBeLessThan(12);
    api.intercept = undefined;
    await clock.complete(informers.synced(), 70_000);
  }));

test("a work queue hands each key to one worker at a time and folds additions", () =>
  simulate(4, async ({ clock }) => {
    const queue = new WorkQueue(clock);
    queue.add("a");
    queue.add("b");
    queue.add("a");
    expect([await queue.next(), await queue.next()]).toEqual(["a", "b"]);
    queue.add("a");
    expect(queue.length).toBe(0);
    queue.done("a");
    expect(await queue.next()).toBe("a");
    const waiting = queue.next();
    queue.addAfter("late", 100);
    queue.addAfter("late", 50);
    queue.addAfter("late", 500);
    expect(await clock.complete(waiting, 60)).toBe("late");
    await clock.advance(1000);
    expect(queue.length).toBe(0);
    const last = queue.next();
    queue.shutDown();
    expect(await last).toBeUndefined();
    queue.add("after");
    expect(await queue.next()).toBeUndefined();
  }));

test("a controller tries again after growing pauses, and lets NotFound be", () =>
  simulate(5, async (sim) => {
    const { clock } = sim;
    const queue = new WorkQueue(clock);
    const attempts: string[] = [];
    let failures = 6;
    runController(
      {
        ...sim,
        name: "test",
        queue,
        synced: [],
        workers: 2,
        async reconcile(key) {
          attempts.push(`${key}@${clock.monotonicMs()}`);
          if (key === "gone") throw new StatusError(404, "NotFound", "no more");
          if (key === "flaky" && failures-- > 0) throw new Error("not yet");
          return key === "again" ? { requeueAfterMs: 1000 } : undefined;
        },
      },
      sim.signal,
    );
    for (const key of ["gone", "flaky"]) queue.add(key);
    await clock.advance(10_000);
    expect(attempts).toEqual(["gone@0", "flaky@0", ...[5, 15, 35, 75, 155, 315].map((ms) => `flaky@${ms}`)]);
    attempts.length = 0;
    queue.add("again");
    await clock.advance(2500);
    expect(attempts).toEqual(["again@10000", "again@11000", "again@12000"]);
  }));

test("an event that repeats raises its count, and one object cannot flood", () =>
  simulate(6, async (sim) => {
    const { client, clock } = begin(sim);
    const recorder = new EventRecorder({ ...sim, client, component: "tester" });
    const subject = await client.create(configMapKind, configMap("a"));
    recorder.report(subject, "Normal", "Tested", "all is well");
    await clock.advance(5000);
    recorder.report(subject, "Normal", "Tested", "all is well");
    recorder.report(subject, "Warning", "Failed", "all is lost");
    await clock.complete(recorder.flushed(), 1000);
    const { items } = await client.list(eventKind, { namespace: "default" });
    expect(
      items.map(({ reason, count, firstTimestamp, lastTimestamp }) => [reason, count, firstTimestamp, lastTimestamp]),
    ).toEqual([
      ["Tested", 2, "2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z"],
      ["Failed", 1, "2026-01-01T00:00:05Z", "2026-01-01T00:00:05Z"],
    ]);
    for (let n = 0; n < 100; n++) recorder.report(subject, "Normal", "Flood", `number ${n}`);
    await clock.complete(recorder.flushed(), 1000);
    expect((await client.list(eventKind, { namespace: "default" })).items).toHaveLength(24);
  }));
