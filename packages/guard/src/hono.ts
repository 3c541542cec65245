// The guard of Hono: stands in what the router answers, so that it is part of every match, whoever asks.
import type { IncomingMessage } from 'node:http';
import type { Context, Env, Hono, MiddlewareHandler, Next } from 'hono';
import { type Declaration, finder, oddSegment, readDeclaration } from './declaration.ts';
import { type Finding, type Judge, judgeBy } from './judge.ts';
import { isOpen } from './open.ts';
import type { Guard, GuardOptions } from './options.ts';
import { ambiguity, asksForMethod, hasPlainHeaders, isPlainTarget, pathOf } from './plain.ts';
import { register } from './registry.ts';
import { type Gate, learnServer, releaseSocket, watchServers } from './server.ts';
import { tableOf } from './table.ts';

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
  released: boolean;
  /** `authorize` has said yes after all. */
  free: boolean;
  /** Why it has no. */
  denied: Finding;
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
    const [entries, ...rest] = match.call(router, method, path);
    let made = cache.get(entries);
    if (made === undefined) {
      made = guarded(entries);
      cache.set(entries, made);
    }
    return [made, ...rest];
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
  const texts = new Set(declared.map(({ text }) => text));
  const find = finder(declared.filter((each) => oddSegment(each) === undefined));

  /** The gate, and then the handlers; `first` is the route that would serve the request if no middleware did. */
  function enter(context: Context, run: () => unknown, first: string | undefined, opened: boolean): unknown {
    const { raw } = context.req;
    const incoming = (context.env as { incoming?: IncomingMessage } | undefined)?.incoming;
    const target = incoming?.url ?? originForm(raw.url);
    const deny = (found: NonNullable<Finding>) =>
      refusal(context, judge.refusal(raw.method, target, found), judge.challenge);
    const reason = incoming === undefined ? unclear(raw, target) : ambiguity(incoming, target);
    if (reason !== undefined) return deny({ reason });
    if (incoming !== undefined) learnServer(incoming, gate);
    const isPublic =
      (first !== undefined && texts.has(`${raw.method} ${first}`)) ||
      (opened && find(raw.method, pathOf(target)) !== undefined);
    if (isPublic && !asksForMethod(target)) return limited(context, run, deny);
    const go = (found: Finding) => {
      if (found !== undefined) return deny(found);
      if (incoming !== undefined) releaseSocket(incoming);
      return run();
    };
    const found = judge.ask(context);
    return found instanceof Promise ? found.then(go) : go(found);
  }

  /** What the handlers answer counts only if a public route, or `authorize`, has released it. At once where they answer at once. */
  function limited(
    context: Context,
    run: () => unknown,
    deny: (found: NonNullable<Finding>) => Response,
  ): unknown {
    const visa: Visa = { released: false, free: false, denied: undefined };
    (context as unknown as WithVisa)[VISA] = visa;
    const passed = (answer: unknown) =>
      visa.released || visa.free
        ? answer
        : deny(visa.denied ?? { reason: 'answered by something that is not public' });
    const failed = (error: unknown) => {
      if (visa.released || visa.free) throw error;
      return passed(undefined);
    };
    try {
      const answer = run();
      return answer instanceof Promise ? answer.then(passed, failed) : passed(answer);
    } catch (error) {
      return failed(error);
    }
  }

  function step(context: Context, next: Next, [handler, route]: Entry[0]): unknown {
    const visa = (context as unknown as WithVisa)[VISA];
    if (visa === undefined || visa.free) return handler(context, next);
    if (visa.denied !== undefined) return undefined;
    if (isMiddleware(route))
      return isOpen(original(route)) ? answers(visa, handler, context, next) : handler(context, next);
    if (texts.has(`${context.req.raw.method} ${route.path}`)) return answers(visa, handler, context, next);
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
    const opened = entries.some(([[, route]]) => isOpen(original(route)));
    const head = entries[0];
    if (head === undefined) {
      const route: RouterRoute = {
        method: 'ALL',
        path: '*',
        handler: (context, next) => enter(context, next, first, opened),
      };
      return [[[route.handler, route], {}]];
    }
    return entries.map(([pair, params], index) => {
      const run: Handler = (context, next) => step(context, next, pair);
      const handler: Handler =
        index === 0 ? (context, next) => enter(context, () => run(context, next), first, opened) : run;
      return [[handler, pair[1]], params];
    });
  };
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
    ({ path }) => opened.some((route) => path.startsWith(route.path.replace(/\/?\*$/, ''))),
  );
}
