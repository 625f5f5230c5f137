import { StatusError } from "../kinds/status_error.ts";
import { broken } from "./verdict.ts";

/** The mark of the last write that a key's value carries; undefined: the object is absent. */
export type Mark = string | undefined;

interface Known {
  /** What the object must be, or may be after requests whose outcome is unknown. */
  possible: readonly Mark[];
  /** Of the last write that was acknowledged. */
  version: bigint;
}

export type Outcome = "refused" | "unknown";

/** What an error says about the write: that it did not happen, or nothing. */
export function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof StatusError)) return "unknown";
  if (error.code < 500) return "refused";
  return /nothing was changed|Connection refused/.test(error.message) ? "refused" : "unknown";
}

/**
 * What was acknowledged to the workload's clients. Each key has one writer, which waits for its answer; so a key is what
 * its last acknowledged write made of it, or, after a request that got no answer, one of two.
 */
export class Model {
  readonly #known = new Map<string, Known>();
  #newest = 0n;

  /** The newest version that anybody was told of. */
  get newest(): bigint {
    return this.#newest;
  }

  saw(version: string): void {
    const seen = BigInt(version);
    if (seen > this.#newest) this.#newest = seen;
  }

  #of(key: string): Known {
    return this.#known.get(key) ?? { possible: [undefined], version: 0n };
  }

  /** The one value that is possible, when it is one. */
  certain(key: string): { readonly mark: Mark } | undefined {
    const { possible } = this.#of(key);
    return possible.length === 1 ? { mark: possible[0] } : undefined;
  }

  keys(): string[] {
    return [...this.#known.keys()];
  }

  /** `after`: the newest version that was known when the request was made. */
  acknowledged(key: string, mark: Mark, version: string | undefined, after: bigint): void {
    const given = version === undefined ? undefined : BigInt(version);
    if (given !== undefined && given <= after)
      broken(`${key} was written at version ${given}, though version ${after} was known before it was asked for`);
    this.#known.set(key, { possible: [mark], version: given ?? this.#of(key).version });
    if (version !== undefined) this.saw(version);
  }

  unanswered(key: string, mark: Mark): void {
    const { possible, version } = this.#of(key);
    this.#known.set(key, { possible: [...new Set([...possible, mark])], version });
  }

  /** A read of the key: must be one of the possible values, and from then on is the only one. */
  read(key: string, mark: Mark, version: string | undefined): void {
    const { possible, version: written } = this.#of(key);
    if (!possible.includes(mark)) {
      const wanted = possible.map((one) => one ?? "absent").join(" or ");
      broken(
        `${key} is ${mark ?? "absent"} at version ${version ?? "?"}, but ${wanted} was acknowledged at ${written}`,
      );
    }
    if (version !== undefined && BigInt(version) < written)
      broken(`${key} has version ${version}, but ${written} was acknowledged`);
    this.#known.set(key, { possible: [mark], version: written });
    if (version !== undefined) this.saw(version);
  }
}
