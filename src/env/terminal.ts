/** Standard streams as an effect, for the command line. */
export interface Terminal {
  /** Resolves when the text is handed over: await it, and a slow reader bounds us. Rejects with BrokenPipe. */
  write(text: string | Uint8Array): Promise<void>;
  writeError(text: string | Uint8Array): Promise<void>;
  readonly outputIsTerminal: boolean;
  readonly inputIsTerminal: boolean;
  /** Standard input, in pieces as they come; read at most once. */
  input(): AsyncIterable<Uint8Array>;
  /** Undefined where output is no terminal. */
  size(): TerminalSize | undefined;
  /** Returns a function that ends the watching. */
  onResize(callback: () => void): () => void;
  /** Raw: each key at once, no echo, Ctrl-C is a byte. No effect where input is no terminal. */
  setRaw(raw: boolean): void;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Whoever read our output has gone (`wherry get pods | head -1`): end quietly. */
export class BrokenPipe extends Error {
  override readonly name = "BrokenPipe";
}
