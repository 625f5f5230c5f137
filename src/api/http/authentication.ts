import { createHash, timingSafeEqual } from "node:crypto";
import type { Peer } from "../../env/http.ts";
import { StatusError } from "../../kinds/status_error.ts";
import type { Identity } from "../core.ts";

export const anonymous: Identity = { name: "system:anonymous", groups: ["system:unauthenticated"] };

/** Who a request comes from; undefined: nobody said. Throws 401 for a credential that is wrong. */
export type Authenticator = (request: Request, peer: Peer) => Identity | undefined;

/** A bearer token by its hash only: what is in memory (and in a heap dump) does not let anyone in. */
export interface KnownToken {
  readonly sha256: Uint8Array;
  readonly identity: Identity;
}

export function knownToken(token: string, identity: Identity): KnownToken {
  return { sha256: digest(token), identity };
}

/** SHA-256 by the runtime: about a microsecond, so that no request needs to remember a token. */
function digest(token: string): Uint8Array {
  return createHash("sha256").update(token).digest();
}

/** Browsers cannot set headers on a WebSocket: Kubernetes takes the token as a subprotocol of this form. */
const webSocketToken = "base64url.bearer.authorization.k8s.io.";

/** Client certificates that our authority signed (the transport has checked that), then bearer tokens. */
export function createAuthenticator(tokens: () => readonly KnownToken[]): Authenticator {
  return (request, peer) => {
    if (peer.certificate)
      return authenticated({ name: peer.certificate.commonName, groups: peer.certificate.organizations });
    const token = bearerToken(request);
    if (token === undefined) return undefined;
    const hash = digest(token);
    let found: Identity | undefined;
    for (const known of tokens()) if (timingSafeEqual(hash, known.sha256)) found = known.identity;
    if (!found) throw unauthorized();
    return authenticated(found);
  };
}

export function unauthorized(): StatusError {
  return new StatusError(401, "Unauthorized", "Unauthorized");
}

function authenticated(identity: Identity): Identity {
  return { ...identity, groups: [...identity.groups, "system:authenticated"] };
}

function bearerToken(request: Request): string | undefined {
  const header = request.headers.get("authorization");
  if (header !== null) {
    const match = /^Bearer +(\S+) *$/i.exec(header);
    if (!match) throw unauthorized();
    return match[1];
  }
  const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((word) => word.trim());
  const encoded = offered.find((word) => word.startsWith(webSocketToken))?.slice(webSocketToken.length);
  if (encoded === undefined) return undefined;
  try {
    return atob(encoded.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    throw unauthorized();
  }
}
