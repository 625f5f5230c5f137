import type { Log } from "../env/log.ts";

/** For tests that look at effects, not at what is logged. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  with: () => silentLog,
};
