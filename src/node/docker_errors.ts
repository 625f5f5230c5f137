import { RuntimeError, type RuntimeErrorCode } from "./container_runtime.ts";

/** What dockerode throws: a status code when the Engine answered, none when it did not. */
interface EngineFailure {
  readonly message: string;
  readonly statusCode?: number;
}

function asFailure(error: unknown): EngineFailure {
  if (!(error instanceof Error)) return { message: String(error) };
  const statusCode = "statusCode" in error && typeof error.statusCode === "number" ? error.statusCode : undefined;
  // dockerode wraps the Engine's own words: "(HTTP code 404) no such container - No such container: x ".
  const message = error.message.replace(/^\(HTTP code \d+\) [^-]*- /, "").trim();
  return statusCode === undefined ? { message } : { message, statusCode };
}

/** The Engine's HTTP status, undefined when it did not answer. */
export function statusOf(error: unknown): number | undefined {
  return asFailure(error).statusCode;
}

/** A failed request as the error that the kubelet knows. `action` says what was tried: "create the container web". */
export function engineError(action: string, error: unknown, phase: "start" | "other" = "other"): RuntimeError {
  if (error instanceof RuntimeError) return error;
  const { message, statusCode } = asFailure(error);
  const code = ((): RuntimeErrorCode => {
    if (statusCode === undefined) return "Unavailable";
    if (/no such image/i.test(message)) return "ImageNotFound";
    if (statusCode === 404 && phase === "other") return "NotFound";
    if (phase === "start") return "StartFailed";
    if (statusCode === 400) return "InvalidArgument";
    if (statusCode === 503) return "Unavailable";
    return "Unknown";
  })();
  const why = statusCode === undefined ? `the Docker Engine does not answer: ${message}` : message;
  // The Engine's words are in the message: as a cause they would be said twice.
  return new RuntimeError(code, `Cannot ${action}: ${why}`);
}

/** The text of a failed pull: does the registry not have the image, or does it not answer? */
export function pullError(image: string, text: string, cause?: unknown): RuntimeError {
  const away =
    /dial tcp|no such host|i\/o timeout|connection refused|connection reset|network is unreachable|no route to host/i.test(
      text,
    ) ||
    /TLS handshake|Client\.Timeout|context deadline exceeded|server misbehaving|temporary failure|: EOF$|50\d /i.test(
      text,
    );
  const code = away
    ? "RegistryUnavailable"
    : /invalid reference format/i.test(text)
      ? "InvalidArgument"
      : "ImageNotFound";
  return new RuntimeError(code, `Cannot pull the image "${image}": ${text}`, cause);
}
