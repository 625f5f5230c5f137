import { UsageError } from "./failure.ts";

export interface ServicePort {
  readonly name: string;
  readonly port: number;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly targetPort: number | string;
  readonly nodePort?: number;
}

/** A port's number, or the name of a container's port. */
export function portOrName(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** "8080:80" or "8080", as `create service --tcp` takes them. */
export function tcpPort(text: string): ServicePort {
  const [from = "", to = from, ...more] = text.split(":");
  if (!/^\d+$/.test(from) || Number(from) < 1 || Number(from) > 65535 || to === "" || more.length > 0)
    throw new UsageError(`invalid port "${text}": write PORT or PORT:TARGET, as in 8080:80`);
  return { name: text.replace(":", "-"), port: Number(from), protocol: "TCP", targetPort: portOrName(to) };
}
