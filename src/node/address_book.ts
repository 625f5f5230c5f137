/** Who has which address: what sandboxes hold, and what was given to pods whose sandbox is not there yet. */
import { nextAddress } from "./address_pool.ts";

export class AddressBook {
  readonly #podCidr: string;
  readonly #held: () => ReadonlyMap<string, string>;
  readonly #given = new Map<string, string>();
  #last: string | undefined;

  constructor(podCidr: string, held: () => ReadonlyMap<string, string>) {
    this.#podCidr = podCidr;
    this.#held = held;
  }

  /** An address ("10.42.0.7/24") for the pod, which is its own until `free`. Throws when none is left. */
  take(podUid: string): string {
    const taken = new Set([...this.#held().keys(), ...this.#given.values()]);
    const address = nextAddress(this.#podCidr, taken, this.#last);
    if (address === undefined) throw new Error(`no address is left in ${this.#podCidr}: delete pods`);
    this.#given.set(podUid, address);
    this.#last = address;
    return address;
  }

  free(podUid: string): void {
    this.#given.delete(podUid);
  }
}
