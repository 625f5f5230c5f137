/** What a checker found: a promise that was broken ("correctness") or one that was not kept in time ("liveness"). */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly kind: "correctness" | "liveness";

  constructor(kind: Violation["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

export function broken(message: string): never {
  throw new Violation("correctness", message);
}
