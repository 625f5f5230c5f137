/** A node holds at most this many names. */
const order = 64;
/** A node with fewer joins a neighbour when the two together hold no more than `comfortable`. */
const sparse = 16;
const comfortable = 48;

interface Leaf<V> {
  readonly names: string[];
  readonly values: V[];
  /** How many of the values are live. */
  live: number;
  readonly children: undefined;
}

interface Branch<V> {
  /** `names[i]` bounds what is in `children[i]` from below; the first one bounds nothing. */
  readonly names: string[];
  readonly children: Node<V>[];
  /** The sum of the children's. */
  live: number;
}

type Node<V> = Leaf<V> | Branch<V>;

/** Where the first name that is not below `name` is. */
function lowerBound(names: readonly string[], name: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((names[middle] ?? "") < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Which child may hold `name`. */
function slotOf(names: readonly string[], name: string): number {
  let low = 1;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((names[middle] ?? "") <= name) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("A node of the tree has a gap");
  return value;
}

/**
 * A B+ tree from names to values that also knows, in logarithmic time, how many live values a range has. A change is two
 * steps, so that the tree is descended once: `locate` finds the place, `place` or `remove` uses it.
 */
export class KeyTree<V> {
  readonly #isLive: (value: V) => boolean;
  #root: Node<V> = { names: [], values: [], live: 0, children: undefined };
  #size = 0;
  // Where `locate` has led to.
  #leaf: Leaf<V> | undefined;
  #at = 0;
  #found = false;
  readonly #path: Branch<V>[] = [];
  readonly #slots: number[] = [];
  #depth = 0;

  constructor(isLive: (value: V) => boolean) {
    this.#isLive = isLive;
  }

  /** Fills an empty tree; the names are in order. */
  fill(names: readonly string[], values: readonly V[]): void {
    let nodes: Node<V>[] = [];
    let lowest: string[] = [];
    for (let at = 0; at < names.length; at += comfortable) {
      const part = values.slice(at, at + comfortable);
      nodes.push({
        names: names.slice(at, at + comfortable),
        values: part,
        live: this.#countLive(part),
        children: undefined,
      });
      lowest.push(names[at] ?? "");
    }
    while (nodes.length > 1) {
      const above: Node<V>[] = [];
      const aboveLowest: string[] = [];
      for (let at = 0; at < nodes.length; at += comfortable) {
        const children = nodes.slice(at, at + comfortable);
        above.push({ names: lowest.slice(at, at + comfortable), children, live: sumLive(children) });
        aboveLowest.push(lowest[at] ?? "");
      }
      nodes = above;
      lowest = aboveLowest;
    }
    this.#root = nodes[0] ?? this.#root;
    this.#size = names.length;
  }

  #countLive(values: readonly V[]): number {
    let live = 0;
    for (const value of values) if (this.#isLive(value)) live++;
    return live;
  }

  /** Names that have a value, live or not. */
  get size(): number {
    return this.#size;
  }

  get live(): number {
    return this.#root.live;
  }

  get(name: string): V | undefined {
    let node = this.#root;
    while (node.children !== undefined) node = present(node.children[slotOf(node.names, name)]);
    const at = lowerBound(node.names, name);
    return node.names[at] === name ? node.values[at] : undefined;
  }

  /** As `get`; besides, the next `place` or `remove` is about this name. */
  locate(name: string): V | undefined {
    let node = this.#root;
    let depth = 0;
    while (node.children !== undefined) {
      const slot = slotOf(node.names, name);
      this.#path[depth] = node;
      this.#slots[depth] = slot;
      depth++;
      node = present(node.children[slot]);
    }
    this.#depth = depth;
    this.#leaf = node;
    this.#at = lowerBound(node.names, name);
    this.#found = node.names[this.#at] === name;
    return this.#found ? node.values[this.#at] : undefined;
  }

  /** Gives `name`, which was located last, a value. */
  place(name: string, value: V): void {
    const leaf = present(this.#leaf);
    const before = this.#found ? leaf.values[this.#at] : undefined;
    const change = (this.#isLive(value) ? 1 : 0) - (before !== undefined && this.#isLive(before) ? 1 : 0);
    if (change !== 0) this.#count(leaf, change);
    if (this.#found) {
      leaf.values[this.#at] = value;
      return;
    }
    leaf.names.splice(this.#at, 0, name);
    leaf.values.splice(this.#at, 0, value);
    this.#size++;
    if (leaf.names.length > order) this.#splitLeaf(leaf, this.#at === leaf.names.length - 1);
    this.#leaf = undefined;
  }

  /** Takes out the name that was located last, if it is there. */
  remove(): void {
    const leaf = present(this.#leaf);
    if (!this.#found) return;
    const [gone] = leaf.values.splice(this.#at, 1);
    leaf.names.splice(this.#at, 1);
    if (gone !== undefined && this.#isLive(gone)) this.#count(leaf, -1);
    this.#size--;
    this.#leaf = undefined;
    this.#shrink(leaf);
  }

  #count(leaf: Leaf<V>, change: number): void {
    leaf.live += change;
    for (let depth = 0; depth < this.#depth; depth++) present(this.#path[depth]).live += change;
  }

  /** `append`: names come in order, so the left part may stay full. */
  #splitLeaf(leaf: Leaf<V>, append: boolean): void {
    const middle = append ? order - 2 : order >> 1;
    const names = leaf.names.splice(middle);
    const values = leaf.values.splice(middle);
    const right: Leaf<V> = { names, values, live: this.#countLive(values), children: undefined };
    leaf.live -= right.live;
    this.#insertNode(leaf, right, append);
  }

  /** Puts `right` beside `left`, level by level, as far up as nodes are full. */
  #insertNode(left: Node<V>, right: Node<V>, append: boolean): void {
    let before = left;
    let added = right;
    let lowest = right.names[0] ?? "";
    for (let depth = this.#depth - 1; depth >= 0; depth--) {
      const branch = present(this.#path[depth]);
      const slot = (this.#slots[depth] ?? 0) + 1;
      branch.names.splice(slot, 0, lowest);
      branch.children.splice(slot, 0, added);
      if (branch.names.length <= order) return;
      const middle = append ? order - 2 : order >> 1;
      lowest = branch.names[middle] ?? "";
      const names = branch.names.splice(middle);
      const children = branch.children.splice(middle);
      before = branch;
      added = { names, children, live: sumLive(children) };
      branch.live -= added.live;
    }
    this.#root = { names: ["", lowest], children: [before, added], live: before.live + added.live };
  }

  /** A node that has become sparse joins a neighbour of the same parent; an empty one goes. */
  #shrink(leaf: Leaf<V>): void {
    let node: Node<V> = leaf;
    for (let depth = this.#depth - 1; depth >= 0 && node.names.length < sparse; depth--) {
      const branch = present(this.#path[depth]);
      const slot = this.#slots[depth] ?? 0;
      const left = branch.children[slot - 1];
      const right = branch.children[slot + 1];
      if (node.names.length === 0) this.#dropChild(branch, slot);
      else if (left !== undefined && left.names.length + node.names.length <= comfortable) {
        join(left, node, branch.names[slot] ?? "");
        this.#dropChild(branch, slot);
      } else if (right !== undefined && right.names.length + node.names.length <= comfortable) {
        join(node, right, branch.names[slot + 1] ?? "");
        this.#dropChild(branch, slot + 1);
      } else return;
      node = branch;
    }
    while (this.#root.children !== undefined && this.#root.children.length <= 1)
      this.#root = this.#root.children[0] ?? { names: [], values: [], live: 0, children: undefined };
  }

  #dropChild(branch: Branch<V>, slot: number): void {
    branch.names.splice(slot, 1);
    branch.children.splice(slot, 1);
  }

  /** Visits the names from `low` on and before `high`, in order, until `visit` answers false. No change meanwhile. */
  scan(low: string, high: string, visit: (value: V, name: string) => boolean | undefined): void {
    if (low < high) scanNode(this.#root, low, high, visit);
  }

  /** How many live values there are from `low` on and before `high`. */
  countLive(low: string, high: string): number {
    return low < high ? this.#liveBelow(high) - this.#liveBelow(low) : 0;
  }

  #liveBelow(name: string): number {
    let node = this.#root;
    let live = 0;
    while (node.children !== undefined) {
      const slot = slotOf(node.names, name);
      for (let at = 0; at < slot; at++) live += present(node.children[at]).live;
      node = present(node.children[slot]);
    }
    const end = lowerBound(node.names, name);
    for (let at = 0; at < end; at++) if (this.#isLive(present(node.values[at]))) live++;
    return live;
  }
}

function sumLive(nodes: readonly { readonly live: number }[]): number {
  let live = 0;
  for (const node of nodes) live += node.live;
  return live;
}

/** Everything of `right` goes behind what `left` has. `bound`: the name that bounds `right` from below. */
function join<V>(left: Node<V>, right: Node<V>, bound: string): void {
  if (left.children === undefined && right.children === undefined) {
    left.names.push(...right.names);
    left.values.push(...right.values);
  } else if (left.children !== undefined && right.children !== undefined) {
    left.names.push(bound, ...right.names.slice(1));
    left.children.push(...right.children);
  } else throw new Error("Two nodes of different levels cannot join");
  left.live += right.live;
}

function scanNode<V>(
  node: Node<V>,
  low: string,
  high: string,
  visit: (value: V, name: string) => boolean | undefined,
): boolean {
  if (node.children !== undefined) {
    for (let slot = slotOf(node.names, low); slot < node.children.length; slot++) {
      if (slot > 0 && (node.names[slot] ?? "") >= high) return false;
      if (!scanNode(present(node.children[slot]), low, high, visit)) return false;
    }
    return true;
  }
  for (let at = lowerBound(node.names, low); at < node.names.length; at++) {
    const name = node.names[at] ?? "";
    if (name >= high) return false;
    if (visit(present(node.values[at]), name) === false) return false;
  }
  return true;
}
