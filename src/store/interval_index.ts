/** A range of names: from `low` on, before `high`. */
export interface Interval {
  readonly low: string;
  readonly high: string;
}

interface Node<T extends Interval> {
  readonly item: T;
  readonly priority: number;
  left: Node<T> | undefined;
  right: Node<T> | undefined;
  /** The highest `high` in this subtree. */
  reach: string;
}

function refresh<T extends Interval>(node: Node<T>): Node<T> {
  let reach = node.item.high;
  if (node.left !== undefined && node.left.reach > reach) reach = node.left.reach;
  if (node.right !== undefined && node.right.reach > reach) reach = node.right.reach;
  node.reach = reach;
  return node;
}

function isBefore(a: Interval, b: Interval): boolean {
  return a.low < b.low || (a.low === b.low && a.high < b.high);
}

/**
 * Intervals, each pair of bounds once, that can be asked which of them hold a name: in logarithmic time, and what the answer
 * itself takes. A treap: its balance comes from numbers that only look random, so that a run can be repeated.
 */
export class IntervalIndex<T extends Interval> {
  #root: Node<T> | undefined;
  #seed = 0x9e37_79b9;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  #nextPriority(): number {
    // Marsaglia's xorshift, 32 bits.
    let seed = this.#seed;
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    this.#seed = seed;
    return seed >>> 0;
  }

  /** The caller has seen to it that no other item has the same bounds. */
  add(item: T): void {
    const node: Node<T> = {
      item,
      priority: this.#nextPriority(),
      left: undefined,
      right: undefined,
      reach: item.high,
    };
    this.#root = this.#insert(this.#root, node);
    this.#size++;
  }

  #insert(at: Node<T> | undefined, node: Node<T>): Node<T> {
    if (at === undefined) return node;
    if (node.priority > at.priority) {
      [node.left, node.right] = this.#split(at, node.item);
      return refresh(node);
    }
    if (isBefore(node.item, at.item)) at.left = this.#insert(at.left, node);
    else at.right = this.#insert(at.right, node);
    return refresh(at);
  }

  /** What is before `bound`, and the rest. */
  #split(at: Node<T> | undefined, bound: Interval): [Node<T> | undefined, Node<T> | undefined] {
    if (at === undefined) return [undefined, undefined];
    if (isBefore(at.item, bound)) {
      const [left, right] = this.#split(at.right, bound);
      at.right = left;
      return [refresh(at), right];
    }
    const [left, right] = this.#split(at.left, bound);
    at.left = right;
    return [left, refresh(at)];
  }

  remove(item: T): void {
    this.#root = this.#without(this.#root, item);
  }

  #without(at: Node<T> | undefined, item: T): Node<T> | undefined {
    if (at === undefined) return undefined;
    if (at.item === item) {
      this.#size--;
      return this.#merge(at.left, at.right);
    }
    if (isBefore(item, at.item)) at.left = this.#without(at.left, item);
    else at.right = this.#without(at.right, item);
    return refresh(at);
  }

  #merge(left: Node<T> | undefined, right: Node<T> | undefined): Node<T> | undefined {
    if (left === undefined) return right;
    if (right === undefined) return left;
    if (left.priority > right.priority) {
      left.right = this.#merge(left.right, right);
      return refresh(left);
    }
    right.left = this.#merge(left, right.left);
    return refresh(right);
  }

  /** Adds to `into` what holds `name`, in the order of bounds. */
  holding(name: string, into: T[]): void {
    collect(this.#root, name, into);
  }
}

function collect<T extends Interval>(at: Node<T> | undefined, name: string, into: T[]): void {
  if (at === undefined || at.reach <= name) return;
  collect(at.left, name, into);
  if (at.item.low > name) return;
  if (name < at.item.high) into.push(at.item);
  collect(at.right, name, into);
}
