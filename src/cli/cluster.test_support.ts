/** A command line against a cluster that exists only in a table of answers. */
import type { Clock } from "../env/clock.ts";
import { type Disk, DiskError } from "../env/disk.ts";
import type { HttpClient, WebSocketClientConnection } from "../env/http.ts";
import type { Terminal } from "../env/terminal.ts";
import { notFound } from "../kinds/status_error.ts";
import type { CliEnv } from "./cli.ts";
import { runCommandLine } from "./run.ts";

export interface SeenRequest {
  readonly method: string;
  /** With the query, decoded. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: unknown;
}

/** An answer's JSON, a whole Response, or undefined: not found. */
export type Answer = (request: SeenRequest) => unknown;

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly requests: readonly SeenRequest[];
}

export const nowMs = Date.parse("2026-11-23T12:00:00Z");

/** Time that passes only when somebody waits for it. */
function patientClock(): Clock {
  let passedMs = 0;
  return {
    now: () => nowMs + passedMs,
    monotonicMs: () => passedMs,
    schedule(delayMs, callback) {
      let live = true;
      void Promise.resolve().then(() => {
        if (!live) return;
        passedMs += delayMs;
        callback();
      });
      return {
        cancel: () => {
          live = false;
        },
      };
    },
  };
}

function memoryDisk(files: Readonly<Record<string, string>>): Disk {
  const absent = (path: string) => new DiskError("read", path, "ENOENT");
  const refuse = () => Promise.reject(new Error("the command line only reads"));
  return {
    open: refuse,
    writeFileAtomic: refuse,
    makeDirectory: refuse,
    rename: refuse,
    remove: refuse,
    syncDirectory: refuse,
    readFile: async (path) => {
      const text = files[path];
      if (text === undefined) throw absent(path);
      return new TextEncoder().encode(text);
    },
    exists: async (path) => files[path] !== undefined,
    list: async (path) => {
      if (files[path] !== undefined) throw new DiskError("list", path, "ENOTDIR");
      const inside = Object.keys(files).filter((file) => file.startsWith(`${path}/`));
      if (inside.length === 0) throw absent(path);
      return [...new Set(inside.map((file) => file.slice(path.length + 1).split("/")[0] ?? ""))].sort();
    },
  };
}

const kubeconfig = JSON.stringify({
  "current-context": "boat",
  contexts: [{ name: "boat", context: { cluster: "c", user: "u" } }],
  clusters: [{ name: "c", cluster: { server: "https://boat:6443" } }],
  users: [{ name: "u", user: { token: "secret-token" } }],
});

export interface Situation {
  readonly answer?: Answer;
  readonly files?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly terminal?: boolean;
  readonly webSocket?: (url: string) => WebSocketClientConnection;
  readonly uninstall?: CliEnv["uninstall"];
}

/** Runs one command line to its end. */
export async function wherry(argv: readonly string[], situation: Situation = {}): Promise<Outcome> {
  const { answer = () => undefined, files = {}, input = "", terminal: isTerminal = false } = situation;
  const requests: SeenRequest[] = [];
  let out = "";
  let err = "";
  const text = (bytes: string | Uint8Array) => (typeof bytes === "string" ? bytes : new TextDecoder().decode(bytes));
  const terminal: Terminal = {
    write: async (bytes) => {
      out += text(bytes);
    },
    writeError: async (bytes) => {
      err += text(bytes);
    },
    outputIsTerminal: isTerminal,
    inputIsTerminal: isTerminal,
    async *input() {
      if (input !== "") yield new TextEncoder().encode(input);
    },
    size: () => (isTerminal ? { columns: 120, rows: 40 } : undefined),
    onResize: () => () => undefined,
    setRaw: () => undefined,
  };
  const httpClient: HttpClient = {
    fetch: async (url, init = {}) => {
      const { pathname, search } = new URL(url);
      const seen: SeenRequest = {
        method: init.method ?? "GET",
        path: pathname + decodeURIComponent(search),
        headers: new Headers(init.headers),
        body: typeof init.body === "string" ? JSON.parse(init.body) : undefined,
      };
      requests.push(seen);
      const result = answer(seen);
      if (result instanceof Response) return result;
      if (result !== undefined) return Response.json(result, { status: seen.method === "POST" ? 201 : 200 });
      const [, resource = "", name = ""] = /\/([a-z]+)\/([^/?]+)$/.exec(pathname) ?? [];
      return Response.json(notFound({ group: "", plural: resource }, name).toStatus(), { status: 404 });
    },
  };
  const code = await runCommandLine(argv, {
    clock: patientClock(),
    disk: memoryDisk({ "/home/me/config": kubeconfig, ...files }),
    terminal,
    httpClient,
    webSocketClient: {
      connect: async (url) => {
        if (situation.webSocket === undefined) throw new Error("no WebSocket here");
        return situation.webSocket(url);
      },
    },
    environment: { KUBECONFIG: "/home/me/config" },
    workingDirectory: "/home/me",
    version: "0.1.0",
    uninstall: situation.uninstall ?? { survey: async () => [], remove: async () => undefined },
  });
  return { code, out, err, requests };
}
