// The guard of Koa: stands before all middleware, and looks into the routers among them before they run.
import { type IncomingMessage, ServerResponse } from 'node:http';
import type Koa from 'koa';
import type { Context, Middleware, Next } from 'koa';
import { type Declaration, finder, mustBeMatchable, readDeclaration, UPGRADE } from './declaration.ts';
import type { Gate } from './gate.ts';
import { type Finding, type Judge, judgeBy } from './judge.ts';
import { isOpen } from './open.ts';
import type { Guard, GuardOptions } from './options.ts';
import { ambiguity, asksForMethod, pathOf } from './plain.ts';
import { register } from './registry.ts';
import { refuse, type Seal, sealer } from './seal.ts';
import { isListener, learnServer, publicUpgrades, watchServers } from './server.ts';
import { type Known, tableOf } from './table.ts';

export { open } from './open.ts';
export type { Answer, Guard, GuardOptions, Reason, Refusal, Route } from './options.ts';
export { tokenIs } from './token.ts';

/** The middleware of @koa/router, and of koa-router before it, shows its router. */
interface Router {
  readonly stack: readonly Layer[];
  readonly opts?: { readonly routerPath?: string };
  match(path: string, method: string): { readonly pathAndMethod: readonly Layer[]; readonly route: boolean };
}
interface Layer {
  readonly path: unknown;
  readonly methods: readonly string[];
}

/** A request that was let in for one declared route only. */
interface Visa {
  readonly declared: Declaration;
  readonly path: string;
  readonly seal: Seal;
  readonly judge: Judge<Context>;
  free: boolean;
}

const VISA = Symbol('moat visa');
const ROUTE = Symbol('moat matched route');
/** A context of Koa, with what a router writes there before it runs a route. */
interface Routed extends Context {
  [VISA]?: Visa;
  [ROUTE]?: unknown;
  readonly matched?: readonly Layer[];
  readonly mountPath?: string;
}

/**
 * Guards a Koa application: all of its middleware, whenever it is added, and upgrades of the server that serves it.
 *
 * Koa has no routes. A literal public path means whatever is answered there; but where @koa/router answers, only the
 * declared route of it can, and patterns are public only there (or in middleware that is marked `open`).
 * @throws TypeError for a declaration that is none, or that has more than literal segments, `:name` and a `*` at the end
 *
 * @example
 * const app = new Koa();
 * guard(app, { authorize: tokenIs(process.env['TOKEN']), public: ['GET /health'] });
 */
export function guard<State, Ctx>(app: Koa<State, Ctx>, options: GuardOptions<Context>): Guard {
  const own = app as unknown as {
    middleware: Middleware[];
    context: object;
    callback: () => object;
    createContext: (request: IncomingMessage, response: ServerResponse) => Context;
    handleRequest: (context: Context, run: (context: Context) => Promise<unknown>) => unknown;
  };
  if (typeof own?.handleRequest !== 'function')
    throw new TypeError('guard: expected an application of new Koa()');
  const declared = (options.public ?? []).map((text) => mustBeMatchable(readDeclaration(text)));
  const find = finder(declared);
  const judge = judgeBy(options);
  const gate: Gate = {
    judge,
    opens: publicUpgrades(find),
    ask: (request) => judge.ask(own.createContext(request, new ServerResponse(request))),
  };
  const seal = sealer((response, target) => {
    const found = { reason: 'answered by something that is not public' } as const;
    refuse(response, judge.refusal(response.req.method, target, found), judge.challenge);
  });
  const { callback, handleRequest } = own;
  // A router inside of another middleware (composed, mounted) cannot be seen from outside; it notes its route before it runs it.
  Object.defineProperty(own.context, '_matchedRoute', {
    configurable: true,
    get(this: Routed) {
      return this[ROUTE];
    },
    set(this: Routed, route: unknown) {
      this[ROUTE] = route;
      const visa = this[VISA];
      if (visa !== undefined && !visa.free) mustBeDeclared(visa, this);
    },
  });

  const handle: Guard = { routes: () => routesOf(own.middleware, declared, judge.hasAuthorize) };
  register(app, handle);
  watchServers(gate);
  own.callback = () => {
    const listener = callback.call(app);
    isListener(listener, gate);
    return listener;
  };
  own.handleRequest = (context, run) => {
    const { req, res } = context;
    const target = context.originalUrl;
    const reason = ambiguity(req, target);
    if (reason !== undefined) return deny(judge, context, { reason });
    learnServer(req, gate);
    const path = pathOf(target);
    const declaration = find(req.method ?? '', path);
    if (declaration !== undefined && !asksForMethod(target)) {
      const visa: Visa = {
        declared: declaration,
        path,
        seal: seal(res, target),
        judge,
        free: false,
      };
      visa.seal.released = declaration.literal;
      (context as Routed)[VISA] = visa;
      return handleRequest.call(app, context, () => walk(own.middleware, visa, context));
    }
    const found = judge.ask(context);
    if (found === undefined) return handleRequest.call(app, context, run);
    if (!(found instanceof Promise)) return deny(judge, context, found);
    return found.then((later) =>
      later === undefined ? handleRequest.call(app, context, run) : deny(judge, context, later),
    );
  };
  return handle;
}

function deny(judge: Judge<Context>, { req, res, originalUrl }: Context, found: NonNullable<Finding>): void {
  refuse(res, judge.refusal(req.method, originalUrl, found), judge.challenge);
}

/** The middleware one after the other as Koa runs them, with a look at each before it runs. */
function walk(middleware: readonly Middleware[], visa: Visa, context: Context): Promise<unknown> {
  let last = -1;
  const dispatch = (index: number): Promise<unknown> => {
    if (index <= last) return Promise.reject(new Error('next() called multiple times'));
    last = index;
    const each = middleware[index];
    if (each === undefined) return Promise.resolve();
    try {
      const may = mayRun(each, visa, context);
      if (may === true) return Promise.resolve(run(each, index + 1));
      if (may === false) return Promise.resolve();
      return may.then((yes) => (yes ? run(each, index + 1) : undefined));
    } catch (error) {
      return Promise.reject(error);
    }
  };
  const run = (each: Middleware, following: number): unknown => {
    const { seal, declared } = visa;
    if (isOpen(each)) seal.released = true;
    if (visa.free || declared.literal || !seal.released)
      return each(context as never, () => dispatch(following));
    // What comes after it may not answer instead of it; Koa sends the body at the end, whoever made it.
    const next: Next = async () => {
      const { body } = context;
      seal.released = false;
      await dispatch(following);
      if (context.body === body) seal.released = true;
    };
    return each(context as never, next);
  };
  return dispatch(0);
}

function mayRun(middleware: Middleware, visa: Visa, context: Context): boolean | Promise<boolean> {
  if (visa.free) return true;
  if (visa.seal.refused) return false;
  const { declared, path } = visa;
  const routed = matched(middleware, context);
  const same = context.method === declared.method && pathOf(context.url) === path;
  if (same && routed === undefined) return true;
  if (same && routed!.every((layer) => layer.path === declared.path)) {
    visa.seal.released = true;
    return true;
  }
  const found = visa.judge.ask(context);
  return found instanceof Promise
    ? found.then((later) => settle(visa, context, later))
    : settle(visa, context, found);
}

/**
 * Ends a request that a router is about to serve by a route that was not declared. A mounted router has the rest of the
 * path; its route is the declared one if it is that rest.
 * @throws Error after the refusal, so that the route does not run
 */
function mustBeDeclared(visa: Visa, context: Routed): void {
  const { declared, path } = visa;
  const { method, path: here, mountPath, matched: layers = [] } = context;
  const isMounted = mountPath !== undefined && (here === '/' || path.endsWith(here));
  const routes = layers.filter(({ methods }) => methods.includes(method));
  const isDeclared = (layer: Layer) =>
    (here === path && layer.path === declared.path) || (isMounted && layer.path === here);
  if (method === declared.method && routes.every(isDeclared)) return;
  context.respond = false;
  deny(visa.judge, context, { reason: 'answered by something that is not public' });
  throw Object.assign(new Error('guard: this route is not public'), { status: 401, expose: true });
}

/** What `authorize` has said about a request that turned out to be for another route. */
function settle(visa: Visa, context: Context, found: Finding): boolean {
  if (found === undefined) {
    visa.free = true;
    visa.seal.released = true;
    return true;
  }
  context.respond = false;
  deny(visa.judge, context, found);
  return false;
}

function routerOf(middleware: object): Router | undefined {
  const { router } = middleware as { router?: Partial<Router> };
  return typeof router?.match === 'function' && Array.isArray(router.stack) ? (router as Router) : undefined;
}

/** The routes that a router would run, all of them: the first that does not call `next` answers. */
function matched(middleware: object, context: Context): readonly Layer[] | undefined {
  const router = routerOf(middleware);
  if (router === undefined) return undefined;
  const { routerPath, newRouterPath } = context as { routerPath?: string; newRouterPath?: string };
  const own = router.opts?.routerPath ?? newRouterPath;
  const found = matchedBy(router, own ?? context.path, context);
  if (own !== undefined || routerPath === undefined || routerPath === context.path) return found;
  // Up to version 12 `routerPath` comes before the path; later ones leave the pattern of their last route there.
  const other = matchedBy(router, routerPath, context);
  return found === undefined || other === undefined ? (found ?? other) : [...found, ...other];
}

function matchedBy(router: Router, path: string, { method }: Context): readonly Layer[] | undefined {
  const { pathAndMethod, route } = router.match(path, method);
  return route ? pathAndMethod.filter(({ methods }) => methods.length > 0) : undefined;
}

function routesOf(
  middleware: readonly Middleware[],
  declared: readonly Declaration[],
  hasAuthorize: boolean,
) {
  const known: Known[] = middleware.flatMap((each) =>
    (routerOf(each)?.stack ?? []).flatMap(({ path, methods }) =>
      methods.map((method) => ({ method, path: String(path) })),
    ),
  );
  const plain = middleware.some((each) => routerOf(each) === undefined);
  const opened = middleware.some(isOpen);
  return tableOf(known, declared, hasAuthorize, ({ literal, method }) =>
    method === UPGRADE ? true : literal ? plain : opened,
  );
}
