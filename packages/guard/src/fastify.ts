// The guard of Fastify: seals every response of the server, and releases it in the first hook after the route was found.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { finder, readDeclaration, UPGRADE } from './declaration.ts';
import type { Gate } from './gate.ts';
import { type Finding, judgeBy } from './judge.ts';
import type { Guard, GuardOptions } from './options.ts';
import { ambiguity, asksForMethod, pathOf } from './plain.ts';
import { register } from './registry.ts';
import { refuse, sealer, sealOf } from './seal.ts';
import { isListener, isServer, stand } from './server.ts';
import { type Known, tableOf } from './table.ts';
import { refuseSocket, releaseSocket } from './upgrade.ts';

export type { Answer, Guard, GuardOptions, Reason, Refusal, Route } from './options.ts';
export { tokenIs } from './token.ts';

// biome-ignore lint/suspicious/noExplicitAny: whatever server, logger and type provider the application has.
type AnyFastify = FastifyInstance<any, any, any, any, any>;

/**
 * Guards a Fastify application: its routes and those of its plugins, not-found and error handlers, and upgrades. Stands
 * before all routes; `app.register(guard, options)` does the same once it was awaited.
 *
 * The application does not start (`ready`, `listen` and `inject` reject) when a route was added before the guard, when a
 * public route does not exist, or when one has constraints: each by name.
 * @throws TypeError for a declaration that is none, a server of HTTP/2, or an application that is not the outermost
 *
 * @example
 * const app = Fastify();
 * guard(app, { authorize: tokenIs(process.env['TOKEN']), public: ['GET /health'] });
 */
export function guard(
  app: AnyFastify,
  options: GuardOptions<FastifyRequest>,
  done?: (error?: Error) => void,
): Guard {
  if (!isServer(app?.server)) throw new TypeError('guard: expected a Fastify application over HTTP/1.1');
  if ('server' in Object.getPrototypeOf(app)) {
    throw new TypeError('guard: expected the outermost application, got one inside a plugin');
  }
  const declared = (options.public ?? []).map(readDeclaration);
  const texts = new Set(declared.map(({ text }) => text));
  const find = finder(declared);
  const patterns = declared.some(({ literal }) => !literal);
  const judge = judgeBy(options);
  const known: Known[] = [];
  const problems = routesBefore(app).map((route) => `${route} was added before the guard`);

  const handle: Guard = { routes: () => tableOf(known, declared, judge.hasAuthorize) };
  register(app, handle, () => app.ready());
  const seal = sealer((response, target) => {
    const found = { reason: 'answered by something that is not public' } as const;
    refuse(response, judge.refusal(response.req.method, target, found), judge.challenge);
  });
  const gate: Gate = {
    judge,
    // @fastify/websocket routes upgrades like requests, and adds this.
    takesUpgrades: () => 'websocketServer' in app,
    admit(request, response) {
      const target = request.url ?? '';
      // Fastify hands a URL that it cannot decode to a handler without running any hook.
      const reason = ambiguity(request, target);
      if (reason !== undefined) {
        refuse(response, judge.refusal(request.method, target, { reason }), judge.challenge);
        return false;
      }
      seal(response, target);
      return true;
    },
  };
  // Where `localhost` has two addresses Fastify makes a second server, with the same listener.
  for (const listener of app.server.listeners('request')) isListener(listener, gate);
  stand(app.server, gate);

  app.addHook('onRoute', (route) => {
    const { method, url, constraints } = route;
    // @fastify/websocket's words for a route that takes upgrades.
    const { websocket, wsHandler } = route as { websocket?: boolean; wsHandler?: unknown };
    const upgrades = websocket === true || wsHandler !== undefined ? [UPGRADE] : [];
    for (const each of [method, ...upgrades].flat()) {
      const text = `${each} ${url}`;
      known.push({ method: each, path: url });
      if (texts.has(text) && Object.keys(constraints ?? {}).length > 0) {
        problems.push(`${text} is public, but this route of it is for some requests only (constraints)`);
      }
    }
  });

  app.addHook('onReady', (next: (error?: Error) => void) => {
    const missing = handle.routes().filter((route) => route.missing);
    for (const { method, path } of missing)
      problems.push(`${method} ${path} is public, but there is no such route`);
    if (problems.length === 0) return next();
    const advice = 'Put guard(app, …) before all routes, and into `public` only routes that exist.';
    return next(new Error(`guard: ${problems.join('; ')}. ${advice}`));
  });

  const isPublic = (request: FastifyRequest, target: string, isUpgrade: boolean): boolean => {
    const method = isUpgrade ? UPGRADE : request.method;
    const declaration = find(method, pathOf(target));
    if (declaration === undefined && !patterns) return false;
    const url = urlOf(request);
    if (url === undefined || asksForMethod(target)) return false;
    return url === declaration?.path || texts.has(`${method} ${url}`);
  };

  app.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, next: () => void) => {
    const raw = request.raw as typeof request.raw & WithOriginal;
    const target = raw.originalUrl ?? raw.url ?? '';
    const held = sealOf(reply.raw);
    // What did not come through the server (`inject`, the upgrades of @fastify/websocket) has no seal.
    const reason = held === undefined ? ambiguity(raw, target) : undefined;
    // The header alone upgrades nothing: without `Connection: upgrade` it comes with a request, which the server has sealed.
    const isUpgrade = held === undefined && raw.headers.upgrade !== undefined;
    const found =
      reason !== undefined
        ? { reason }
        : isPublic(request, target, isUpgrade)
          ? undefined
          : judge.ask(request);
    if (found === undefined && held !== undefined && !held.refused) {
      held.released = true;
      next();
    } else if (found instanceof Promise) void found.then((later) => settle(request, reply, next, later));
    else settle(request, reply, next, found);
  });

  function settle({ raw }: FastifyRequest, reply: FastifyReply, next: () => void, found: Finding): void {
    const held = sealOf(reply.raw);
    if (found !== undefined) {
      reply.hijack();
      const target = (raw as WithOriginal).originalUrl ?? raw.url;
      const status = judge.refusal(raw.method, target, found);
      refuseSocket(raw, status, judge.challenge);
      refuse(reply.raw, status, judge.challenge);
      return;
    }
    releaseSocket(raw);
    if (held?.refused === true) return;
    if (held !== undefined) held.released = true;
    next();
  }

  done?.();
  return handle;
}

// As a plugin it has to reach the routes beside it.
Object.assign(guard, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: '@moat/guard',
});

const urls = new WeakMap<object, string>();
let context: symbol | undefined;

/**
 * The path of the route that was found, as declared. Fastify makes `routeOptions` anew at each look (1 us in Fastify 4);
 * the object that it is made of is the same for all requests of a route, so that it is asked once for each.
 */
function urlOf(request: FastifyRequest): string | undefined {
  context ??= Object.getOwnPropertySymbols(request).find((each) => each.description === 'fastify.context');
  const route = context === undefined ? undefined : (request as unknown as Record<symbol, unknown>)[context];
  const isKnown = typeof route === 'object' && route !== null;
  const before = isKnown ? urls.get(route) : undefined;
  if (before !== undefined) return before;
  const { url } = request.is404 ? {} : request.routeOptions;
  if (isKnown && url !== undefined) urls.set(route, url);
  return url;
}

/** What Fastify keeps of a target that `rewriteUrl` has changed. */
interface WithOriginal {
  readonly originalUrl?: string;
}

const PRINTED = /^[│├└─\s]*(\S.*) \(([A-Z, -]+)\)/;

function routesBefore(app: AnyFastify): string[] {
  return app
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const [, path, methods = ''] = PRINTED.exec(line) ?? [];
      return path === undefined ? [] : [`${methods.split(', ')[0]} ${path}`];
    });
}
