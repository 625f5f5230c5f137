import { type Context, Hono } from "hono";
import type { HttpHandler, Peer, WebSocketAccept } from "../../env/http.ts";
import { describeError } from "../../env/log.ts";
import { StatusError } from "../../kinds/status_error.ts";
import type { Identity } from "../core.ts";
import { anonymous, unauthorized } from "./authentication.ts";
import { authorityAnswer, serveJoin, serveMembers, serveTokens } from "./cluster_routes.ts";
import { Discovery } from "./discovery.ts";
import { type HealthPath, healthAnswer } from "./health.ts";
import { OpenApiRoutes } from "./openapi_routes.ts";
import type { HttpOptions } from "./options.ts";
import { serveLog } from "./pod_log.ts";
import { upgradePod } from "./pod_upgrade.ts";
import { parseResourcePath } from "./request_info.ts";
import { RequestMetrics } from "./request_metrics.ts";
import { kindOfPath, type ResourceRequest, serveResource } from "./resource_routes.ts";
import { errorAnswer, internalError, jsonAnswer, methodNotAllowed, pathNotFound, textAnswer } from "./respond.ts";
import { gitVersion, versionInfo } from "./version.ts";

/** What travels with a request through the routes. */
interface Passage {
  readonly peer: Peer;
  readonly url: URL;
  /** For the metrics: the resource that was asked for, "" when none. */
  resource: string;
}
interface Bindings {
  Bindings: Passage;
}
type Route = (context: Context<Bindings>) => Response | Promise<Response>;
type SignedInRoute = (context: Context<Bindings>, identity: Identity) => Response | Promise<Response>;

/** Subresources that open a stream to a node: GET and POST with an upgrade, see pod_upgrade.ts. */
const streams = new Set(["exec", "attach", "portforward"]);

/**
 * The API server's HTTP face. Paths are Kubernetes'; everything about objects is the core's; what a client may ask of
 * the form of an answer (Table, partial, YAML, aggregated discovery) is made here.
 */
export function createHttpHandler(options: HttpOptions): HttpHandler {
  const { log } = options;
  const metrics = new RequestMetrics();
  const version = gitVersion(options.build);
  const discovery = new Discovery(options.kinds);
  const openApi = new OpenApiRoutes(options.kinds, discovery, version);
  const app = new Hono<Bindings>({ strict: false });

  app.onError((error) => translate(error, options));

  // Open to anyone; a wrong credential is refused even here.
  const open =
    (handle: Route): Route =>
    (context) => {
      options.authenticate(context.req.raw, context.env.peer);
      return handle(context);
    };
  // Each route asks by itself: a middleware before all of them would send every request through Hono's slower way.
  const signedIn =
    (handle: SignedInRoute): Route =>
    (context) => {
      const identity = options.authenticate(context.req.raw, context.env.peer);
      if (!identity) throw unauthorized();
      return handle(context, identity);
    };
  const get = (path: string, handle: SignedInRoute) => app.get(path, signedIn(handle));

  const health = (path: HealthPath) => open((context) => healthAnswer(path, context.env.url, options.checks ?? []));
  for (const path of ["healthz", "livez", "readyz"] as const) {
    app.get(`/${path}`, health(path));
    app.get(`/${path}/:check`, health(path));
  }
  app.get(
    "/version",
    open(() => jsonAnswer(200, versionInfo(options.build))),
  );

  app.get("/cacerts", () => authorityAnswer(options));
  app.post("/wherry/v1/join", (context) => serveJoin(options, context.req.raw));
  app.post(
    "/wherry/v1/tokens",
    signedIn(({ req }, identity) => serveTokens(options, identity, req.raw)),
  );
  app.all(
    "/wherry/v1/members/:name?",
    signedIn(({ req }, identity) => serveMembers(options, identity, req.method, req.param("name"))),
  );

  get("/metrics", () => textAnswer(200, metrics.text(version) + (options.metrics?.() ?? "")));
  const accept = (context: Context<Bindings>) => context.req.header("accept") ?? null;
  get("/api", (context) => discovery.core(accept(context), context.env.url.host));
  get("/apis", (context) => discovery.groups(accept(context)));
  get("/apis/:group", (context) => discovery.group(context.req.param("group") ?? ""));
  get("/api/:version", (context) => discovery.resources("", context.req.param("version") ?? ""));
  get("/apis/:group/:version", (context) =>
    discovery.resources(context.req.param("group") ?? "", context.req.param("version") ?? ""),
  );
  get("/openapi/v2", (context) => openApi.v2(context.req.raw));
  get("/openapi/v3", () => openApi.index());
  get("/openapi/v3/*", (context) =>
    openApi.document(context.env.url.pathname.slice("/openapi/v3/".length), context.req.raw),
  );
  get("/", () => jsonAnswer(200, { paths: rootPaths(discovery) }));
  const resources = signedIn((context, identity) => {
    const { env, req } = context;
    const found = resourceRequest(options, req.raw, env.url, identity);
    if (!found) return pathNotFound();
    env.resource = found.kind.plural;
    return serveFound(options, found);
  });
  app.all("/api/*", resources);
  app.all("/apis/*", resources);
  app.notFound(signedIn(pathNotFound));

  return {
    async fetch(request, peer) {
      metrics.started();
      const passage: Passage = { peer, url: new URL(request.url), resource: "" };
      const response = await app.fetch(request, passage);
      metrics.finished(request.method, passage.resource, response.status);
      log.debug("request", { method: request.method, path: passage.url.pathname, code: response.status });
      return response;
    },
    async upgrade(request, peer): Promise<WebSocketAccept | Response> {
      try {
        const identity = options.authenticate(request, peer) ?? anonymous;
        if (identity === anonymous) throw unauthorized();
        const found = resourceRequest(options, request, new URL(request.url), identity);
        return found ? await upgradePod(options, found) : pathNotFound();
      } catch (error) {
        return translate(error, options);
      }
    },
  };
}

function resourceRequest(
  options: HttpOptions,
  request: Request,
  url: URL,
  identity: Identity,
): ResourceRequest | undefined {
  const path = parseResourcePath(url.pathname);
  const kind = path && kindOfPath(options, path);
  return kind ? { request, url, path, kind, identity } : undefined;
}

function serveFound(options: HttpOptions, found: ResourceRequest): Promise<Response> {
  const { plural, group, subresource } = found.path;
  if (group === "" && plural === "pods" && subresource !== undefined) {
    if (subresource === "log") {
      if (found.request.method !== "GET") throw methodNotAllowed();
      return serveLog(options, found);
    }
    if (streams.has(subresource))
      throw new StatusError(
        400,
        "BadRequest",
        "Upgrade request required: this is a stream, open it as a WebSocket",
        {},
      );
  }
  return serveResource(options, found);
}

function translate(error: unknown, { log }: HttpOptions): Response {
  if (error instanceof StatusError) return errorAnswer(error);
  log.error("a request failed unexpectedly", { error: describeError(error) });
  return errorAnswer(internalError());
}

function rootPaths(discovery: Discovery): string[] {
  const groups = discovery.groupVersions().map(({ group, version }) => {
    return group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  });
  const fixed = [
    "/api",
    "/apis",
    "/healthz",
    "/livez",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/readyz",
    "/version",
  ];
  return [...fixed, ...groups].sort();
}
