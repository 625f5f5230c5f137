import type { z } from "zod";
import { StatusError } from "../../kinds/status_error.ts";
import { authorize } from "../authorization.ts";
import { Applicant, TokenWish } from "../cluster_desk.ts";
import type { Identity } from "../core.ts";
import { unauthorized } from "./authentication.ts";
import { readBody } from "./body.ts";
import type { HttpOptions } from "./options.ts";
import { jsonAnswer, methodNotAllowed, pathNotFound, textAnswer } from "./respond.ts";

/** Open to anyone, as k3s has it: a certificate is no secret. */
export function authorityAnswer({ cluster }: HttpOptions): Response {
  return cluster === undefined ? pathNotFound() : textAnswer(200, cluster.authorityPem);
}

/** A server joins: its token is not one of the API's, and lets it in here only. */
export async function serveJoin({ cluster }: HttpOptions, request: Request): Promise<Response> {
  if (cluster === undefined) return pathNotFound();
  const [, token] = /^Bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  if (token === undefined) throw unauthorized();
  return jsonAnswer(200, await cluster.admit(token, await readJson(request, Applicant)));
}

/** POST of a wish: an administrator's affair. */
export async function serveTokens(options: HttpOptions, identity: Identity, request: Request): Promise<Response> {
  const { cluster, authorizer } = options;
  if (cluster === undefined) return pathNotFound();
  await authorize(authorizer, { identity, verb: "create", group: "wherry", resource: "tokens" });
  return jsonAnswer(201, await cluster.createToken(await readJson(request, TokenWish)));
}

async function readJson<T>(request: Request, schema: z.ZodType<T>): Promise<T> {
  const body = await readBody(request);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(body));
  } catch (cause) {
    throw new StatusError(400, "BadRequest", "The request's body is not JSON", {}, cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new StatusError(400, "BadRequest", `The request's body is wrong: ${faults.join("; ")}`, {});
}

/** GET of all, DELETE of one: an administrator's affair. */
export async function serveMembers(
  options: HttpOptions,
  identity: Identity,
  method: string,
  name: string | undefined,
): Promise<Response> {
  const { cluster, authorizer } = options;
  if (cluster === undefined) return pathNotFound();
  const verb = method === "DELETE" ? "delete" : name === undefined ? "list" : "get";
  await authorize(authorizer, { identity, verb, group: "wherry", resource: "members", name });
  if (method === "GET" && name === undefined) return jsonAnswer(200, await cluster.members());
  if (method !== "DELETE" || name === undefined) throw methodNotAllowed();
  await cluster.remove(name);
  return jsonAnswer(200, { status: "Success" });
}
