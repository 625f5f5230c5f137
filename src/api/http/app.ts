import { type Context, Hono } from "hono";
import type { HttpHandler, Peer, WebSocketAccept } from "../../env/http.ts";
import { describeError } from "../../env/log.ts";
import { StatusError } from "../../kinds/status_error.ts";
import type { Identity } from "../core.ts";
import { anonymous, unauthorized } from "./authentication.ts";
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

interface Bindings {
  Bindings: { readonly peer: Peer };
  Variables: { identity: Identity };
}

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
  app.notFound(pathNotFound);

  // Open to anyone; a wrong credential is refused even here.
  const open =
    (handle: (context: Context<Bindings>) => Response | Promise<Response>) => (context: Context<Bindings>) => {
      options.authenticate(context.req.raw, context.env.peer);
      return handle(context);
    };
  const health = (path: HealthPath) =>
    open((context) => healthAnswer(path, new URL(context.req.url), options.checks ?? []));
  for (const path of ["healthz", "livez", "readyz"] as const) {
    app.get(`/${path}`, health(path));
    app.get(`/${path}/:check`, health(path));
  }
  app.get(
    "/version",
    open(() => jsonAnswer(200, versionInfo(options.build))),
  );

  app.use("*", async (context, next) => {
    const identity = options.authenticate(context.req.raw, context.env.peer);
    if (!identity) throw unauthorized();
    context.set("identity", identity);
    await next();
  });

  app.get("/metrics", () => textAnswer(200, metrics.text(version) + (options.metrics?.() ?? "")));
  const accept = (context: Context<Bindings>) => context.req.header("accept") ?? null;
  app.get("/api", (context) => discovery.core(accept(context), new URL(context.req.url).host));
  app.get("/apis", (context) => discovery.groups(accept(context)));
  app.get("/apis/:group", (context) => discovery.group(context.req.param("group")));
  app.get("/api/:version", (context) => discovery.resources("", context.req.param("version")));
  app.get("/apis/:group/:version", (context) =>
    discovery.resources(context.req.param("group"), context.req.param("version")),
  );
  app.get("/openapi/v2", (context) => openApi.v2(context.req.raw));
  app.get("/openapi/v3", () => openApi.index());
  app.get("/openapi/v3/*", (context) =>
    openApi.document(new URL(context.req.url).pathname.slice("/openapi/v3/".length), context.req.raw),
  );
  app.get("/", () => jsonAnswer(200, { paths: rootPaths(discovery) }));
  const resources = (context: Context<Bindings>) => {
    const url = new URL(context.req.url);
    const found = resourceRequest(options, context.req.raw, url, context.get("identity"));
    return found ? serveFound(options, found) : pathNotFound();
  };
  app.all("/api/*", resources);
  app.all("/apis/*", resources);

  return {
    async fetch(request, peer) {
      metrics.started();
      const response = await app.fetch(request, { peer });
      metrics.finished(request.method, resourceLabel(options, request), response.status);
      log.debug("request", { method: request.method, path: new URL(request.url).pathname, code: response.status });
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

function resourceLabel(options: HttpOptions, request: Request): string {
  const path = parseResourcePath(new URL(request.url).pathname);
  const kind = path && options.kinds.byResource(path.group, path.version, path.plural);
  return kind ? kind.plural : "";
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
