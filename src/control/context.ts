import type { Client } from "../client/client.ts";
import { EventRecorder } from "../client/events.ts";
import type { Informers } from "../client/informers.ts";
import type { Clock } from "../env/clock.ts";
import type { Log } from "../env/log.ts";
import type { Random } from "../env/random.ts";

/** What every controller is given. The informers are shared by all of them. */
export interface ControlContext {
  readonly client: Client;
  readonly informers: Informers;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export function eventRecorder(context: ControlContext, component: string): EventRecorder {
  return new EventRecorder({ ...context, component });
}

/** Starts to run; resolves when it has ended after `signal`. */
export type StartController = (context: ControlContext, signal: AbortSignal) => Promise<void>;
