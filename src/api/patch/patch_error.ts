/** A patch that cannot be applied; `malformed`: whatever the object, else only to this one. */
export class PatchError extends Error {
  override readonly name = "PatchError";
  readonly malformed: boolean;

  constructor(message: string, malformed = false) {
    super(message);
    this.malformed = malformed;
  }
}
