import { BrokenPipe, type Terminal } from "../terminal.ts";

function write(stream: NodeJS.WriteStream, text: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => {
      if (!error) resolve();
      else if ("code" in error && error.code === "EPIPE") reject(new BrokenPipe("nobody reads the output any more"));
      else reject(error);
    });
  });
}

/** Standard streams of this process. */
export function realTerminal(): Terminal {
  // Without a listener the failure of a write, which write() reports, would end the process.
  const ignore = () => undefined;
  process.stdout.on("error", ignore);
  process.stderr.on("error", ignore);
  return {
    write: (text) => write(process.stdout, text),
    writeError: (text) => write(process.stderr, text),
    outputIsTerminal: process.stdout.isTTY === true,
    inputIsTerminal: process.stdin.isTTY === true,
    async *input() {
      for await (const chunk of process.stdin)
        yield typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
    },
    size: () =>
      process.stdout.isTTY === true ? { columns: process.stdout.columns, rows: process.stdout.rows } : undefined,
    onResize(callback) {
      process.stdout.on("resize", callback);
      return () => {
        process.stdout.off("resize", callback);
      };
    },
    setRaw(raw) {
      if (process.stdin.isTTY === true) process.stdin.setRawMode(raw);
    },
  };
}
