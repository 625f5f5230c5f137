import type { Clock } from "../env/clock.ts";
import type { Disk } from "../env/disk.ts";
import type { HttpClient, WebSocketClient } from "../env/http.ts";
import type { Terminal } from "../env/terminal.ts";
import { allKinds } from "../kinds/all.ts";
import { KindRegistry } from "../kinds/registry.ts";
import type { ApiConnection } from "./api_connection.ts";

/** Every effect that a command may have; main.ts hands in the real ones, tests their own. */
export interface CliEnv {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly terminal: Terminal;
  readonly httpClient: HttpClient;
  readonly webSocketClient: WebSocketClient;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
  /** "0.1.0". */
  readonly version: string;
  /** Removes a node from the machine; main.ts composes it out of the rooms that made the pieces. */
  readonly uninstall: Uninstall;
}

/** What is there to remove, and the removal. Both name each piece in words for a person. */
export interface Uninstall {
  survey(node: NodeOnMachine): Promise<string[]>;
  remove(node: NodeOnMachine, say: (line: string) => Promise<void>): Promise<void>;
}

export interface NodeOnMachine {
  readonly dataDir: string;
  /** Undefined: DOCKER_HOST, else the local socket. */
  readonly dockerHost: string | undefined;
}

/** Flags that every command takes. */
export interface GlobalFlags {
  readonly namespace?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

/** What one command works with. Everything is done at the first use, so that `--help` touches nothing. */
export interface Cli {
  readonly env: CliEnv;
  readonly flags: GlobalFlags;
  /** Words after "--", undefined when there was none. */
  readonly afterDash: readonly string[] | undefined;
  readonly kinds: KindRegistry;
  /** The cluster of the kubeconfig in force. */
  session(): Promise<Session>;
  /** Writes a line to standard output. */
  print(line: string): Promise<void>;
  /** Writes a line to standard error. */
  warn(line: string): Promise<void>;
}

export interface Session {
  readonly api: ApiConnection;
  /** The one of -n, else of the context, else "default". */
  readonly namespace: string;
}

export const cliKinds = new KindRegistry(allKinds);
