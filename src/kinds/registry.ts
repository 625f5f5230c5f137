import type { AnyKind } from "./kind.ts";

/** Finds kinds by what a URL, an object or a person says. */
export class KindRegistry {
  readonly kinds: readonly AnyKind[];
  readonly #byResource = new Map<string, AnyKind>();
  readonly #byKind = new Map<string, AnyKind>();
  readonly #byWord = new Map<string, AnyKind>();

  /** Where two kinds answer to one word, the first wins: core before groups, as kubectl does. */
  constructor(kinds: readonly AnyKind[]) {
    this.kinds = kinds;
    for (const kind of kinds) {
      this.#byResource.set(`${kind.apiVersion}/${kind.plural}`, kind);
      this.#byKind.set(`${kind.apiVersion}/${kind.kind}`, kind);
      for (const word of wordsOf(kind)) {
        this.#say(word, kind);
        if (kind.group === "") continue;
        this.#say(`${word}.${kind.group}`, kind);
        this.#say(`${word}.${kind.version}.${kind.group}`, kind);
      }
    }
  }

  #say(word: string, kind: AnyKind): void {
    if (!this.#byWord.has(word)) this.#byWord.set(word, kind);
  }

  /** By what stands in a URL: ("apps", "v1", "deployments"). */
  byResource(group: string, version: string, plural: string): AnyKind | undefined {
    return this.#byResource.get(`${group === "" ? version : `${group}/${version}`}/${plural}`);
  }

  /** By what stands in an object: ("apps/v1", "Deployment"). */
  byKind(apiVersion: string, kind: string): AnyKind | undefined {
    return this.#byKind.get(`${apiVersion}/${kind}`);
  }

  /** By any word of a command line, in any case: "deploy", "Deployments", "deployment.apps", "deployments.v1.apps". */
  byWord(word: string): AnyKind | undefined {
    return this.#byWord.get(word.toLowerCase());
  }

  /** The kinds of a category: "all". */
  inCategory(category: string): AnyKind[] {
    return this.kinds.filter((kind) => kind.categories?.includes(category) === true);
  }

  /** Every word that byWord knows, for completion and for the nearest word to a typo. */
  words(): string[] {
    return [...this.#byWord.keys()];
  }
}

function wordsOf(kind: AnyKind): string[] {
  return [kind.plural, kind.singular, kind.kind.toLowerCase(), ...(kind.shortNames ?? [])];
}
