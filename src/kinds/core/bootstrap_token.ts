/**
 * Tokens by which a server joins: Secrets of the type that Kubernetes has for it (bootstrap.kubernetes.io/token, in kube-system), and
 * the text that a person carries over. The text holds the hash of the cluster's authority too, so that the new server knows whom it
 * talks to before it says anything.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { DeepReadonly } from "../schema.ts";
import type { Secret } from "./secret.ts";

export const bootstrapTokenType = "bootstrap.kubernetes.io/token";
export const bootstrapTokenNamespace = "kube-system";
const namePrefix = "bootstrap-token-";
/** What the token may be used for: `usage-bootstrap-wherry-join`. */
const joinUsage = "usage-bootstrap-wherry-join";
/** "w1", hash of the authority, id, secret. */
const tokenText = /^w1\.([0-9a-f]{64})\.([a-z0-9]{6})\.([a-z0-9]{16})$/;

export interface JoinToken {
  /** SHA-256 of the authority's certificate, PEM as the server has it, hexadecimal. */
  readonly authoritySha256: string;
  /** Six characters, public. */
  readonly id: string;
  /** Sixteen characters. */
  readonly secret: string;
}

export function authorityHash(certificatePem: string): string {
  return createHash("sha256").update(certificatePem.trim()).digest("hex");
}

export function formatJoinToken({ authoritySha256, id, secret }: JoinToken): string {
  return `w1.${authoritySha256}.${id}.${secret}`;
}

/** undefined: it is no join token. */
export function parseJoinToken(text: string): JoinToken | undefined {
  const [, authoritySha256, id, secret] = tokenText.exec(text.trim()) ?? [];
  if (authoritySha256 === undefined || id === undefined || secret === undefined) return undefined;
  return { authoritySha256, id, secret };
}

const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";

/** `length` characters out of as many random bytes, each of the alphabet equally often. */
export function tokenCharacters(length: number, random: (count: number) => Uint8Array): string {
  let text = "";
  // 252 is the largest multiple of 36 that a byte reaches.
  while (text.length < length) for (const byte of random(length)) if (byte < 252) text += alphabet[byte % 36] ?? "";
  return text.slice(0, length);
}

export function bootstrapTokenName(id: string): string {
  return namePrefix + id;
}

/** The Secret that makes the token valid until `expiresAt` (RFC 3339). */
export function bootstrapTokenSecret(id: string, secret: string, expiresAt: string, description: string): Secret {
  return {
    metadata: { name: bootstrapTokenName(id), namespace: bootstrapTokenNamespace },
    type: bootstrapTokenType,
    stringData: {
      "token-id": id,
      "token-secret": secret,
      expiration: expiresAt,
      description,
      [joinUsage]: "true",
    },
  };
}

/** undefined: the token lets its bearer join; else why not. */
export function refuseJoin(
  stored: DeepReadonly<Secret> | undefined,
  presented: string,
  nowMs: number,
): string | undefined {
  const text = (key: string) => {
    const value = stored?.data?.[key];
    return value === undefined ? "" : atob(value);
  };
  const hash = (secret: string) => createHash("sha256").update(secret).digest();
  if (!timingSafeEqual(hash(text("token-secret")), hash(presented)) || stored?.type !== bootstrapTokenType)
    return "the token is not known: it was mistyped, deleted, or is of another cluster";
  const expires = Date.parse(text("expiration"));
  if (text("expiration") !== "" && !(expires > nowMs)) return "the token has expired";
  if (text(joinUsage) !== "true") return "the token is not meant for joining";
  return undefined;
}
