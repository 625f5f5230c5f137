import { expect, test } from "bun:test";
import { Pair } from "./peer_link_pair.ts";

/** Both sides' pairs, and what each was told to do: "use c1", "drop c2: reason", "probe c1". */
function pair(decides: boolean) {
  const said: string[] = [];
  const make = (name: string, instance = "i1") => ({ name, instance, probe: () => void said.push(`probe ${name}`) });
  const made = new Pair<ReturnType<typeof make>>(decides, {
    use: ({ name }) => void said.push(`use ${name}`),
    drop: ({ name }, reason) => void said.push(`drop ${name}: ${reason}`),
  });
  return { said, make, pair: made };
}

test("the side that decides uses the first connection, and drops a second one when the first lives", () => {
  const { said, make, pair: ours } = pair(true);
  const [one, two] = [make("c1"), make("c2")];
  ours.greeted(one);
  ours.greeted(two);
  expect(ours.connections()).toEqual([one, two]);
  ours.tick();
  ours.answered(one);
  expect(said).toEqual(["use c1", "probe c1", "drop c2: there is a connection already"]);
  expect(ours.inUse).toBe(one);
});

test("a connection that gives no sign of life is replaced by the one that waits, after three ticks", () => {
  const { said, make, pair: ours } = pair(true);
  ours.greeted(make("c1"));
  ours.greeted(make("c2"));
  ours.tick();
  ours.tick();
  expect(said).toEqual(["use c1", "probe c1"]);
  ours.tick();
  expect(said.slice(2)).toEqual(["drop c1: the peer has connected anew", "use c2"]);
});

test("the one that waits takes over at once when the one in use ends", () => {
  const { said, make, pair: ours } = pair(true);
  const one = make("c1");
  ours.greeted(one);
  ours.greeted(make("c2"));
  ours.gone(one);
  expect(said).toEqual(["use c1", "probe c1", "use c2"]);
});

test("of two that wait the newer one stays", () => {
  const { said, make, pair: ours } = pair(true);
  ours.greeted(make("c1"));
  ours.greeted(make("c2"));
  ours.greeted(make("c3"));
  expect(said).toEqual(["use c1", "probe c1", "drop c2: another connection came", "probe c1"]);
});

test("a process that has started anew needs no proof that its old connection is dead", () => {
  const { said, make, pair: ours } = pair(true);
  ours.greeted(make("c1"));
  ours.greeted(make("c2", "i2"));
  expect(said).toEqual(["use c1", "drop c1: the peer has connected anew", "use c2"]);
});

test("the other side uses what was chosen, and nothing before", () => {
  const { said, make, pair: theirs } = pair(false);
  const [one, two] = [make("c1"), make("c2")];
  expect(theirs.isAlone).toBe(true);
  theirs.greeted(one);
  theirs.greeted(two);
  theirs.tick();
  theirs.tick();
  theirs.tick();
  expect([theirs.isAlone, theirs.inUse, said.length]).toEqual([false, undefined, 0]);
  theirs.chosen(two);
  theirs.gone(one);
  expect(said).toEqual(["use c2"]);
  const three = make("c3");
  theirs.greeted(three);
  theirs.chosen(three);
  expect(said.slice(1)).toEqual(["drop c2: the peer has connected anew", "use c3"]);
  theirs.gone(two);
  expect(theirs.inUse).toBe(three);
  theirs.gone(three);
  expect(theirs.isAlone).toBe(true);
});
