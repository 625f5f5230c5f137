import * as sorted from "sorted-btree";

type Constructor = typeof sorted.default;

/** sorted-btree is CommonJS: Bun gives what it exports as "default", Deno the whole of what it exports. */
function constructorOf(exported: Constructor | { readonly default: Constructor }): Constructor {
  return "default" in exported ? exported.default : exported;
}

/** A B+ tree that is ordered by `compare`, with a copy in constant time. */
export const OrderedMap = constructorOf(sorted.default);
