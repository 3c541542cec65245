// The guard of Hono: stands in what the router answers, so that it is part of every match, whoever asks.
import type { IncomingMessage } from 'node:http';
import type { Context, Env, Hono, MiddlewareHandler, Next } from 'hono';
import { type Declaration, finder, oddSegment, readDeclaration, UPGRADE } from './declaration.ts';
import type { Gate } from './gate.ts';
import { type Finding, type Judge, judgeBy } from './judge.ts';
import { isOpen } from './open.ts';
import type { Guard, GuardOptions } from './options.ts';
import { ambiguity, asksForMethod, hasPlainHeaders, isPlainTarget, pathOf } from './plain.ts';
import { register } from './registry.ts';
import { learnServer, watchServers } from './server.ts';
import { tableOf } from './table.ts';
import { refuseSocket, releaseSocket } from './upgrade.ts';

export { open } from './open.ts';
export type { Answer, Guard, GuardOptions, Reason, Refusal, Route } from './options.ts';
export { tokenIs } from './token.ts';

type Handler = (context: Context, next: Next) => unknown;
interface RouterRoute {
  readonly method: string;
  readonly path: string;
  readonly handler: Handler;
}
type Entry = readonly [readonly [Handler, RouterRoute], unknown];
type Match = readonly [readonly Entry[], ...unknown[]];
interface Router {
  match(method: string, path: string): Match;
}

/** A request that was let in for public routes only. */
interface Visa {
  readonly method: string;
  released: boolean;
  /** `authorize` has said yes after all. */
  free: boolean;
  /** Why it has no. */
  denied: Finding;
}

/** One handler of a match, and what has to be known of it for every request: looked up once. */
interface Step {
  readonly handler: Handler;
  readonly isMiddleware: boolean;
  /** For middleware: whether it was marked. */
  readonly isOpen: boolean;
  /** For a route: the methods for which it is public. */
  readonly methods: ReadonlySet<string> | undefined;
}

/** What has to be known of a whole match. */
interface Way {
  /** The methods for which the route is public that serves the request if no middleware does. */
  readonly methods: ReadonlySet<string> | undefined;
  readonly opened: boolean;
  /** The handler of this route, where there is nothing else in the match. */
  readonly only: Handler | undefined;
}

const VISA = Symbol('moat visa');
type WithVisa = { [VISA]?: Visa };

/**
 * Guards a Hono application: its routes and those of the applications that it routes to or mounts, middleware that
 * answers, not-found and error handlers.
 *
 * A request for a public route is let in for public routes alone: the answer of anything else is thrown away.
 * Guard the application that is served: routes that are copied from it into another one are that one's.
 * @throws TypeError for a declaration that is none
 *
 * @example
 * const app = new Hono();
 * guard(app, { authorize: tokenIs(process.env['TOKEN']), public: ['GET /health'] });
 */
export function guard<E extends Env>(
  // biome-ignore lint/suspicious/noExplicitAny: whatever schema and base path the application has.
  app: Hono<E, any, any>,
  options: GuardOptions<Context<E>>,
): Guard {
  const router = app?.router as unknown as Router | undefined;
  if (typeof router?.match !== 'function')
    throw new TypeError('guard: expected an application of new Hono()');
  const declared = (options.public ?? []).map(readDeclaration);
  const judge = judgeBy(options as unknown as GuardOptions<Context>);
  const gate: Gate = { judge };

  const handle: Guard = { routes: () => routesOf(app.routes as RouterRoute[], declared, judge.hasAuthorize) };
  register(app, handle);
  watchServers(gate);

  const guarded = guardian(declared, judge, gate);
  const cache = new WeakMap<readonly Entry[], readonly Entry[]>();
  let { match } = router;
  const guardedMatch = (method: string, path: string): Match => {
    const found = match.call(router, method, path);
    let made = cache.get(found[0]);
    if (made === undefined) {
      made = guarded(found[0]);
      cache.set(found[0], made);
    }
    return found.length === 2 ? [made, found[1]] : [made, ...found.slice(1)];
  };
  // Hono's routers put a faster `match` in their own place when they are first asked.
  Object.defineProperty(router, 'match', {
    configurable: true,
    enumerable: true,
    get: () => guardedMatch,
    set: (faster: Router['match']) => {
      match = faster;
    },
  });
  return handle;
}

/** Makes guarded entries out of those of a match. */
function guardian(declared: readonly Declaration[], judge: Judge<Context>, gate: Gate) {
  const byPath = new Map<string, Set<string>>();
  for (const { method, path } of declared) {
    byPath.set(path, (byPath.get(path) ?? new Set()).add(method));
  }
  const find = finder(declared.filter((each) => oddSegment(each) === undefined));

  /** The gate, and then the handlers. */
  function enter(context: Context, next: Next, first: Step | undefined, way: Way): unknown {
    const { raw } = context.req;
    const incoming = incomingOf(context);
    const target = incoming?.url ?? originForm(raw.url);
    const reason = incoming === undefined ? unclear(raw, target) : ambiguity(incoming, target);
    if (reason !== undefined) return deny(context, target, { reason });
    if (incoming !== undefined) learnServer(incoming, gate);
    const method = isUpgrade(raw, incoming) ? UPGRADE : raw.method;
    const isPublic =
      way.methods?.has(method) === true ||
      // A handler may hand another request to the application; that one is not what Node got.
      (way.opened &&
        find(method, pathOf(target)) !== undefined &&
        pathOf(originForm(raw.url)) === pathOf(target));
    if (isPublic && !asksForMethod(target)) {
      if (way.only !== undefined && method !== UPGRADE) return alone(context, next, way.only, target);
      return limited(context, next, first, target, {
        method,
        released: false,
        free: false,
        denied: undefined,
      });
    }
    const found = judge.ask(context);
    if (found === undefined) return run(context, next, first);
    if (!(found instanceof Promise)) return deny(context, target, found);
    return found.then((later) =>
      later === undefined ? run(context, next, first) : deny(context, target, later),
    );
  }

  function deny(context: Context, target: string, found: NonNullable<Finding>): Response {
    const status = judge.refusal(context.req.raw.method, target, found);
    const incoming = incomingOf(context);
    if (incoming !== undefined) refuseSocket(incoming, status, judge.challenge);
    return refusal(context, status, judge.challenge);
  }

  function run(context: Context, next: Next, first: Step | undefined): unknown {
    const incoming = incomingOf(context);
    if (incoming !== undefined) releaseSocket(incoming);
    return first === undefined ? next() : first.handler(context, next);
  }

  /** The one handler of a public route: as `limited`, with nobody else to be told of the visa. */
  function alone(context: Context, next: Next, handler: Handler, target: string): unknown {
    let released = true;
    const held = () => deny(context, target, { reason: 'answered by something that is not public' });
    try {
      const answer = handler(context, () => {
        released = false;
        return next();
      });
      if (!(answer instanceof Promise)) return released ? answer : held();
      return answer.then(
        (later) => (released ? later : held()),
        (error) => {
          if (released) throw error;
          return held();
        },
      );
    } catch (error) {
      if (released) throw error;
      return held();
    }
  }

  /** What the handlers answer counts only if a public route, or `authorize`, has released it. At once where they answer at once. */
  function limited(
    context: Context,
    next: Next,
    first: Step | undefined,
    target: string,
    visa: Visa,
  ): unknown {
    (context as unknown as WithVisa)[VISA] = visa;
    const passed = (answer: unknown) => {
      if (!visa.released && !visa.free) {
        return deny(context, target, visa.denied ?? { reason: 'answered by something that is not public' });
      }
      const incoming = incomingOf(context);
      if (visa.method === UPGRADE && incoming !== undefined) releaseSocket(incoming);
      return answer;
    };
    const failed = (error: unknown) => {
      if (visa.released || visa.free) throw error;
      return passed(undefined);
    };
    try {
      const answer = first === undefined ? next() : step(context, next, first);
      return answer instanceof Promise ? answer.then(passed, failed) : passed(answer);
    } catch (error) {
      return failed(error);
    }
  }

  function step(context: Context, next: Next, own: Step): unknown {
    const { handler } = own;
    const visa = (context as unknown as WithVisa)[VISA];
    if (visa === undefined || visa.free) return handler(context, next);
    if (visa.denied !== undefined) return undefined;
    if (own.isMiddleware) {
      return own.isOpen ? answers(visa, handler, context, next) : handler(context, next);
    }
    if (own.methods?.has(visa.method) === true) return answers(visa, handler, context, next);
    const go = (found: Finding) => {
      if (found === undefined) {
        visa.free = true;
        return handler(context, next);
      }
      visa.denied = found;
      return new Response(null, { status: 401 });
    };
    const found = judge.ask(context);
    return found instanceof Promise ? found.then(go) : go(found);
  }

  function answers(visa: Visa, handler: Handler, context: Context, next: Next): unknown {
    visa.released = true;
    // What comes after it answers instead of it.
    return handler(context, () => {
      visa.released = false;
      return next();
    });
  }

  return (entries: readonly Entry[]): readonly Entry[] => {
    const first = entries.find(([[, route]]) => !isMiddleware(route))?.[0][1].path;
    const only = entries.length === 1 && first !== undefined && !isOpen(original(entries[0]![0][1]));
    const way: Way = {
      only: only ? entries[0]![0][0] : undefined,
      methods: first === undefined ? undefined : byPath.get(first),
      opened: entries.some(([[, route]]) => isOpen(original(route))),
    };
    if (entries.length === 0) {
      const route: RouterRoute = {
        method: 'ALL',
        path: '*',
        handler: (context, next) => enter(context, next, undefined, way),
      };
      return [[[route.handler, route], {}]];
    }
    return entries.map(([[handler, route], params], index) => {
      const own: Step = {
        handler,
        isMiddleware: isMiddleware(route),
        isOpen: isOpen(original(route)),
        methods: byPath.get(route.path),
      };
      const guarded: Handler =
        index === 0
          ? (context, next) => enter(context, next, own, way)
          : (context, next) => step(context, next, own);
      return [[guarded, route], params];
    });
  };
}

/** Node's own request, where the application runs on Node. */
function incomingOf({ env }: Context): IncomingMessage | undefined {
  return (env as { incoming?: IncomingMessage } | undefined)?.incoming;
}

/** Node says whether somebody takes the upgrade; elsewhere whoever asks for one may get it. */
function isUpgrade(raw: Request, incoming: IncomingMessage | undefined): boolean {
  return incoming === undefined
    ? raw.headers.get('upgrade')?.toLowerCase() === 'websocket'
    : (incoming as { upgrade?: boolean }).upgrade === true;
}

/** The refusal as the only answer: what others set before, headers too, is gone. */
function refusal(context: Context, status: 401 | 403, challenge: string): Response {
  const headers = {
    'cache-control': 'no-store',
    'content-length': '0',
    ...(status === 401 ? { 'www-authenticate': challenge } : {}),
  };
  const response = new Response(null, { status, headers });
  context.res = undefined;
  context.res = response;
  return response;
}

/** Middleware can call `next`; what takes no `next` is the end of the way, also when it is for all methods. */
function isMiddleware(route: RouterRoute): boolean {
  return route.method === 'ALL' && original(route).length >= 2;
}

/** Hono wraps the handlers of an application with an error handler of its own, and keeps the original here. */
function original({ handler }: RouterRoute): Handler | MiddlewareHandler {
  return (handler as { __COMPOSED_HANDLER?: Handler }).__COMPOSED_HANDLER ?? handler;
}

/** Where Node's own request cannot be seen (`app.request` in tests), its URL has to do. */
function unclear(raw: Request, target: string): 'ambiguous target' | 'ambiguous headers' | undefined {
  if (!isPlainTarget(target)) return 'ambiguous target';
  return hasPlainHeaders([...raw.headers].flat()) ? undefined : 'ambiguous headers';
}

function originForm(url: string): string {
  return url.slice(url.indexOf('/', url.indexOf('://') + 3));
}

function routesOf(routes: readonly RouterRoute[], declared: readonly Declaration[], hasAuthorize: boolean) {
  const opened = routes.filter((route) => isOpen(original(route)));
  return tableOf(
    routes.filter((route) => !isMiddleware(route)),
    declared,
    hasAuthorize,
    ({ path, method }) =>
      // Whether a route takes upgrades is known to itself alone.
      (method === UPGRADE && routes.some((each) => each.path === path && !isMiddleware(each))) ||
      opened.some((route) => path.startsWith(route.path.replace(/\/?\*$/, ''))),
  );
}
