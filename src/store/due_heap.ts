/** Things by the time when they are due: a binary heap, the earliest first. */
export class DueHeap<T> {
  readonly #items: { readonly atMs: number; readonly item: T }[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** When the earliest is due; infinity: there is none. */
  get nextMs(): number {
    return this.#items[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  add(atMs: number, item: T): void {
    const items = this.#items;
    const entry = { atMs, item };
    let at = items.length;
    items.push(entry);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = items[above];
      if (parent === undefined || parent.atMs <= atMs) break;
      items[at] = parent;
      at = above;
    }
    items[at] = entry;
  }

  /** Takes out the earliest, if it is due. */
  take(nowMs: number): T | undefined {
    const items = this.#items;
    const first = items[0];
    if (first === undefined || first.atMs > nowMs) return undefined;
    const last = items.pop();
    if (last === undefined || items.length === 0) return first.item;
    let at = 0;
    while (true) {
      let below = 2 * at + 1;
      const left = items[below];
      const right = items[below + 1];
      if (left === undefined) break;
      if (right !== undefined && right.atMs < left.atMs) below++;
      const child = items[below];
      if (child === undefined || child.atMs >= last.atMs) break;
      items[at] = child;
      at = below;
    }
    items[at] = last;
    return first.item;
  }

  clear(): void {
    this.#items.length = 0;
  }
}
