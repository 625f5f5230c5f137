import { describeError } from "../env/log.ts";
import { StatusError } from "../kinds/status_error.ts";

/** Wrong usage: exit code 2. The message says what, which value, why, and what to do. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command ends with this code, and says nothing more: a container's own code, or failures that were already told. */
export class ExitWith extends Error {
  override readonly name = "ExitWith";
  readonly code: number;

  constructor(code: number) {
    super(`exit with ${code}`);
    this.code = code;
  }
}

/** No answer from the server at all. */
export class ConnectionFailed extends Error {
  override readonly name = "ConnectionFailed";
}

/** An error as kubectl words it, without a line end. `doing` is put before a server's message. */
export function failureText(error: unknown, doing = ""): string {
  const before = doing === "" ? "" : `${doing}: `;
  if (error instanceof StatusError) return statusText(error, before);
  if (error instanceof ConnectionFailed) return error.message;
  return `error: ${before}${describeError(error)}`;
}

function statusText(error: StatusError, before: string): string {
  if (error.reason === "Invalid" && error.details?.kind !== undefined && error.details.name !== undefined) {
    const causes = (error.details.causes ?? []).map(({ field = "", message = "" }) =>
      field === "" ? message : `${field}: ${message}`,
    );
    const head = `The ${error.details.kind} "${error.details.name}" is invalid`;
    if (causes.length === 1) return `${head}: ${causes[0]}`;
    if (causes.length > 1) return `${head}: \n${causes.map((cause) => `* ${cause}`).join("\n")}`;
  }
  if (error.code === 401)
    return `error: You must be logged in to the server (${error.message || "Unauthorized"}): it does not know the kubeconfig's credentials`;
  const reason = error.reason === "" || error.reason === "Unknown" ? "" : ` (${error.reason})`;
  return `Error from server${reason}: ${before}${error.message}`;
}
