import { compareBytes, keyText } from "./bytes.ts";
import { type Mvcc, type Span, spanHolds, spanOf, type Version } from "./mvcc.ts";
import {
  type Compare,
  type Operation,
  type OperationResult,
  StoreError,
  type TxnRequest,
  type TxnResponse,
} from "./store.ts";

/** The leases, as far as a transaction needs to know them. */
export interface LeaseBook {
  has(id: bigint): boolean;
  /** `name` belongs to `to` from now on, and no longer to `from`; 0n: to none. */
  move(name: string, from: bigint, to: bigint): void;
}

/** The most comparisons and operations in a transaction, nested ones included; etcd's default is 128 of each in a branch. */
const maxOperations = 2048;

/**
 * Refuses what no state could make right: DuplicateKey, InvalidArgument. Done before a proposal, so that the log has only
 * well-formed transactions.
 */
export function checkTxn(request: TxnRequest): void {
  let count = 0;
  const visit = (txn: TxnRequest) => {
    count += txn.compare.length;
    for (const compare of txn.compare) checkCompare(compare);
    for (const branch of [txn.success, txn.failure]) {
      count += branch.length;
      if (count > maxOperations)
        throw new StoreError(
          "InvalidArgument",
          `A transaction may have ${maxOperations} comparisons and operations in all, nested ones included; this one has more`,
        );
      for (const operation of branch) {
        if (operation.type === "txn") visit(operation.request);
        else checkOperation(operation);
      }
    }
  };
  visit(request);
  for (const branch of [request.success, request.failure]) checkDistinct(branch);
}

function checkCompare(compare: Compare): void {
  checkKey(compare.key);
  if (compare.target !== "value" && compare.target !== "lease" && !(compare.operand >= 0))
    throw new StoreError("InvalidArgument", `Cannot compare ${compare.target} with ${compare.operand}`);
}

function checkKey(key: Uint8Array): void {
  if (key.length === 0)
    throw new StoreError("InvalidArgument", "A key must not be empty (every key is the range from [0] to [0])");
}

function checkOperation(operation: Exclude<Operation, { type: "txn" }>): void {
  if (operation.type === "range") {
    checkKey(operation.request.key);
    return;
  }
  checkKey(operation.key);
  if (operation.type !== "put") return;
  if (operation.ignoreValue && operation.value.length > 0)
    throw new StoreError("InvalidArgument", "A put that keeps the present value must not bring one");
  if (operation.ignoreLease && (operation.lease ?? 0n) !== 0n)
    throw new StoreError("InvalidArgument", "A put that keeps the present lease must not bring one");
}

interface Touched {
  readonly puts: Set<string>;
  readonly deletes: Span[];
}

/**
 * No key is put twice, or put and deleted, on any one path through a branch. The two branches of a nested transaction
 * exclude each other, so they may touch the same keys.
 */
function checkDistinct(operations: readonly Operation[]): Touched {
  const touched: Touched = { puts: new Set(), deletes: [] };
  const duplicate = (name: string) =>
    new StoreError("DuplicateKey", `The key "${name}" is changed more than once in a transaction`);
  const join = (other: Touched) => {
    for (const name of other.puts) {
      if (touched.puts.has(name) || touched.deletes.some((span) => spanHolds(span, name))) throw duplicate(name);
    }
    for (const span of other.deletes) for (const name of touched.puts) if (spanHolds(span, name)) throw duplicate(name);
  };
  const add = (other: Touched) => {
    for (const name of other.puts) touched.puts.add(name);
    touched.deletes.push(...other.deletes);
  };
  for (const operation of operations) {
    let parts: readonly Touched[] = [];
    if (operation.type === "put") parts = [{ puts: new Set([keyText(operation.key)]), deletes: [] }];
    else if (operation.type === "deleteRange") parts = [{ puts: new Set(), deletes: [spanOf(operation)] }];
    else if (operation.type === "txn")
      parts = [checkDistinct(operation.request.success), checkDistinct(operation.request.failure)];
    for (const part of parts) join(part);
    for (const part of parts) add(part);
  }
  return touched;
}

/** Whether it changes nothing on any path: such a transaction needs no entry in the log. */
export function isReadOnly(request: TxnRequest): boolean {
  return [request.success, request.failure].every((branch) =>
    branch.every(
      (operation) => operation.type === "range" || (operation.type === "txn" && isReadOnly(operation.request)),
    ),
  );
}

/** Whether it may put something, on any path. */
export function hasPut(request: TxnRequest): boolean {
  return [request.success, request.failure].some((branch) =>
    branch.some((operation) => operation.type === "put" || (operation.type === "txn" && hasPut(operation.request))),
  );
}

/** Which branch was taken, for the transaction and for each nested one on the way. */
interface Path {
  readonly succeeded: boolean;
  readonly nested: readonly (Path | undefined)[];
}

/**
 * Carries out a transaction on `mvcc`, whose changes the caller commits. As etcd does: all comparisons, nested ones too, look at
 * the state before the transaction; then the chosen operations are checked; then they are done in order, each seeing what
 * those before it did. Throws StoreError with nothing changed.
 */
export function applyTxn(mvcc: Mvcc, leases: LeaseBook, request: TxnRequest): TxnResponse {
  const path = choose(mvcc, request);
  check(mvcc, leases, request, path);
  return execute(mvcc, leases, request, path);
}

function choose(mvcc: Mvcc, request: TxnRequest): Path {
  const succeeded = request.compare.every((compare) => holds(mvcc, compare));
  const operations = succeeded ? request.success : request.failure;
  const nested = operations.map((operation) =>
    operation.type === "txn" ? choose(mvcc, operation.request) : undefined,
  );
  return { succeeded, nested };
}

function holds(mvcc: Mvcc, compare: Compare): boolean {
  let any = false;
  let all = true;
  mvcc.walk(spanOf(compare), (head) => {
    if (head.deleted) return true;
    any = true;
    all = matches(compare, head);
    return all;
  });
  if (any) return all;
  // A key that is not there has no value to compare with; its numbers are 0.
  return compare.target === "value" ? false : matches(compare, undefined);
}

function matches(compare: Compare, version: Version | undefined): boolean {
  let sign: number;
  switch (compare.target) {
    case "value":
      sign = version === undefined ? 1 : compareBytes(version.value, compare.operand);
      break;
    case "lease": {
      const lease = version?.lease ?? 0n;
      sign = lease < compare.operand ? -1 : lease > compare.operand ? 1 : 0;
      break;
    }
    case "version":
      sign = (version?.version ?? 0) - compare.operand;
      break;
    case "create":
      sign = (version?.createRevision ?? 0) - compare.operand;
      break;
    case "mod":
      sign = (version?.modRevision ?? 0) - compare.operand;
      break;
  }
  switch (compare.result) {
    case "=":
      return sign === 0;
    case "!=":
      return sign !== 0;
    case "<":
      return sign < 0;
    case ">":
      return sign > 0;
  }
}

function check(mvcc: Mvcc, leases: LeaseBook, request: TxnRequest, path: Path): void {
  const operations = path.succeeded ? request.success : request.failure;
  operations.forEach((operation, at) => {
    if (operation.type === "range") {
      const revision = operation.request.revision ?? 0;
      if (revision > 0) mvcc.checkRevision(revision);
    } else if (operation.type === "put") {
      if ((operation.ignoreValue || operation.ignoreLease) && mvcc.newest(keyText(operation.key)) === undefined)
        throw new StoreError(
          "KeyNotFound",
          `Cannot keep the value or lease of the key "${keyText(operation.key)}": there is no such key`,
        );
      const lease = operation.lease ?? 0n;
      if (lease !== 0n && !leases.has(lease))
        throw new StoreError(
          "LeaseNotFound",
          `Cannot attach the key "${keyText(operation.key)}" to lease ${lease}: there is no such lease`,
        );
    } else if (operation.type === "txn") {
      const nested = path.nested[at];
      if (nested !== undefined) check(mvcc, leases, operation.request, nested);
    }
  });
}

function execute(mvcc: Mvcc, leases: LeaseBook, request: TxnRequest, path: Path): TxnResponse {
  const operations = path.succeeded ? request.success : request.failure;
  const results = operations.map((operation, at) => perform(mvcc, leases, operation, path.nested[at]));
  return { revision: mvcc.revisionUnderWay, succeeded: path.succeeded, results };
}

function perform(mvcc: Mvcc, leases: LeaseBook, operation: Operation, nested: Path | undefined): OperationResult {
  switch (operation.type) {
    case "range":
      return { type: "range", ...mvcc.range(operation.request) };
    case "put": {
      const name = keyText(operation.key);
      const kept = operation.ignoreValue || operation.ignoreLease ? mvcc.newest(name) : undefined;
      const value = operation.ignoreValue && kept !== undefined ? kept.value : operation.value;
      const lease = operation.ignoreLease && kept !== undefined ? kept.lease : (operation.lease ?? 0n);
      const before = mvcc.put(name, value, lease);
      const leaseBefore = before?.lease ?? 0n;
      if (leaseBefore !== lease) leases.move(name, leaseBefore, lease);
      return operation.previous && before !== undefined ? { type: "put", previous: before } : { type: "put" };
    }
    case "deleteRange": {
      const gone = mvcc.deleteRange(spanOf(operation));
      for (const version of gone) if (version.lease !== 0n) leases.move(version.name, version.lease, 0n);
      return { type: "deleteRange", deleted: gone.length, previous: operation.previous ? gone : [] };
    }
    case "txn":
      if (nested === undefined) throw new Error("A nested transaction has no chosen path");
      return { type: "txn", ...execute(mvcc, leases, operation.request, nested) };
  }
}
