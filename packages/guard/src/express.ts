// The guard of Express: stands before the application, and again where the router hands a request to a route.
import type { Application, Request, Response } from 'express';
import { type Declaration, finder, mustBeMatchable, readDeclaration } from './declaration.ts';
import { routesOf, stackOf } from './express-routes.ts';
import type { Gate } from './gate.ts';
import { type Finding, type Judge, judgeBy } from './judge.ts';
import { isOpen } from './open.ts';
import type { Guard, GuardOptions } from './options.ts';
import { ambiguity, asksForMethod, pathOf } from './plain.ts';
import { register } from './registry.ts';
import { refuse, type Seal, sealer, sealOf } from './seal.ts';
import { isListener, learnServer, publicUpgrades, watchServers } from './server.ts';
import { isTokenCheck } from './token.ts';

export { open } from './open.ts';
export type { Answer, Guard, GuardOptions, Reason, Refusal, Route } from './options.ts';
export { tokenIs } from './token.ts';

type Next = (...values: unknown[]) => void;
type Handle = (request: Request, response: Response, next: Next) => void;

/** One of the router's layers, as far as Express 4 and 5 have it alike. */
interface Layer {
  readonly handle: object;
  readonly route?: { readonly path: unknown };
}

/** A mounted router or middleware that a request is inside of. */
interface Mount {
  readonly outer: Mount | undefined;
  /** Where its part of the path ends. */
  readonly end: number;
  /** Whether its pattern is that of the declaration. */
  readonly asDeclared: boolean;
}

/** A request that was let in for one declared route only. */
interface Visa {
  readonly declared: Declaration;
  readonly path: string;
  readonly url: string;
  /** How long `baseUrl` was when the application got the request. */
  readonly base: number;
  readonly judge: Judge<Request>;
  mount: Mount | undefined;
  /** `authorize` has said yes after all. */
  free: boolean;
}

/** The seal that holds a response's visa. Nobody else puts something there. */
interface SealWithVisa extends Seal {
  readonly visa: Visa;
}

function visaSeal(response: Response): SealWithVisa | undefined {
  let seal = sealOf(response);
  while (seal !== undefined && seal.visa === undefined) seal = seal.outer;
  return seal as SealWithVisa | undefined;
}

/**
 * Guards an Express application: whatever routes, routers, mounted applications, static files and error handlers it has or
 * gets, and upgrades of the server that serves it.
 *
 * A request for a public route is let in for that route alone: what else would answer it (a route before it, a
 * middleware, the not-found handler) cannot.
 * @throws TypeError for a declaration that is none, or that has more than literal segments, `:name` and a `*` at the end
 *
 * @example
 * const app = express();
 * guard(app, { authorize: tokenIs(process.env['TOKEN']), public: ['GET /health'] });
 */
export function guard(app: Application, options: GuardOptions<Request>): Guard {
  const own = app as unknown as { handle: Handle; request: object };
  if (typeof own?.handle !== 'function') throw new TypeError('guard: expected an application of express()');
  const declared = (options.public ?? []).map((text) => mustBeMatchable(readDeclaration(text)));
  const find = finder(declared);
  const judge = judgeBy(options);
  // Once a request has Express's prototype, V8 knows nothing about it any more: who reads headers alone gets it before.
  const early = isTokenCheck(options.authorize);
  const ask = (request: Request) => {
    if (early) return judge.ask(request);
    // The same that Express does a moment later; `authorize` gets Express's request and not only Node's.
    Object.setPrototypeOf(request, own.request);
    return judge.ask(request);
  };
  const gate: Gate = { judge, opens: publicUpgrades(find), ask: (request) => ask(request as Request) };
  const seal = sealer((response, target) => {
    const found = { reason: 'answered by something that is not public' } as const;
    refuse(response, judge.refusal(response.req.method, target, found), judge.challenge);
  });
  const next = own.handle;
  const seen = new WeakSet<object>();

  const handle: Guard = { routes: () => routesOf(app, declared, judge.hasAuthorize) };
  register(app, handle);
  isListener(app, gate);
  watchServers(gate);
  own.handle = function guarded(request, response, done) {
    const target = request.originalUrl ?? request.url;
    const unclear = ambiguity(request, target);
    if (unclear !== undefined) return deny(judge, request, response, { reason: unclear });
    learnServer(request, gate);
    const path = pathOf(request.url);
    const declaration = find(request.method, path);
    // Inside another guarded application that let the request in for one route, this one asks.
    const isInside = visaSeal(response) !== undefined;
    if (declaration !== undefined && !isInside && !asksForMethod(target)) {
      hookLayers(app, seen);
      const visa: Visa = {
        declared: declaration,
        path,
        url: request.url,
        base: (request.baseUrl ?? '').length,
        judge,
        mount: undefined,
        free: false,
      };
      seal(response, target, visa);
      return next.call(app, request, response, done);
    }
    const found = ask(request);
    if (found === undefined) return next.call(app, request, response, done);
    return after(found, (later) => {
      if (later === undefined) next.call(app, request, response, done);
      else deny(judge, request, response, later);
    });
  };
  return handle;
}

function after(found: Finding | Promise<Finding>, then: (found: Finding) => void): void {
  if (found instanceof Promise) void found.then(then);
  else then(found);
}

function deny(
  judge: Judge<Request>,
  request: Request,
  response: Response,
  found: NonNullable<Finding>,
): void {
  const target = request.originalUrl ?? request.url;
  refuse(response, judge.refusal(request.method, target, found), judge.challenge);
}

const hooked = new WeakSet<object>();

/**
 * Every layer of every router goes through two methods of one prototype, at the moment when it is called; that is where
 * a visa is looked at. Requests without one, and applications without a guard, go through as before.
 */
function hookLayers(app: Application, seen: WeakSet<object>): void {
  if (seen.has(app)) return;
  const layer = stackOf(app)[0];
  if (layer === undefined) return;
  seen.add(app);
  const prototype = Object.getPrototypeOf(layer) as Record<string, unknown>;
  if (hooked.has(prototype)) return;
  hooked.add(prototype);
  for (const name of ['handleRequest', 'handle_request']) {
    const original = prototype[name];
    if (typeof original !== 'function') continue;
    prototype[name] = function (this: Layer, request: Request, response: Response, next: Next) {
      const seal = visaSeal(response);
      // The layers inside a route have no `route`; they are reached only through one that was looked at.
      if (seal === undefined || seal.visa.free || !('route' in this)) {
        return original.call(this, request, response, next);
      }
      if (seal.refused) return undefined;
      if (this.route !== undefined && isDeclared(this, seal.visa, request)) {
        seal.released = true;
        return original.call(this, request, response, (...values: unknown[]) => {
          seal.released = isFailure(values[0]);
          next(...values);
        });
      }
      const go = (then: Next) => original.call(this, request, response, then);
      return this.route === undefined
        ? pass(this, seal, request, go, next)
        : askAfterAll(seal, request, response, () => go(next));
    };
  }
}

/** A middleware, router or mounted application: runs, but what it writes itself is held. */
function pass(
  layer: Layer,
  seal: SealWithVisa,
  request: Request,
  go: (next: Next) => void,
  next: Next,
): void {
  const { visa } = seal;
  const outer = visa.mount;
  const end = request.baseUrl.length;
  if (end > (outer?.end ?? visa.base)) {
    visa.mount = { outer, end, asDeclared: mountedAsDeclared(visa, outer, request) };
  }
  seal.released = isOpen(layer.handle) && request.method === visa.declared.method && isThere(visa, request);
  go((...values) => {
    visa.mount = outer;
    seal.released = seal.released && isFailure(values[0]);
    next(...values);
  });
}

/** An error of what may answer may be answered; what comes after it may not. */
function isFailure(value: unknown): boolean {
  return value !== undefined && value !== null && value !== 'route' && value !== 'router';
}

/** Whether the request is still for the path that was declared, wherever it is mounted now. */
function isThere({ path, base }: Visa, request: Request): boolean {
  const mounted = request.baseUrl.slice(base);
  const rest = pathOf(request.url);
  return mounted + rest === path || (rest === '/' && mounted === path);
}

/** Another route than the declared one: runs if `authorize` says yes. */
function askAfterAll(seal: SealWithVisa, request: Request, response: Response, go: () => void): void {
  const { visa } = seal;
  after(visa.judge.ask(request), (found) => {
    if (found !== undefined) {
      deny(visa.judge, request, response, found);
      return;
    }
    visa.free = true;
    seal.released = true;
    go();
  });
}

/** Whether the route that is about to serve the request is the one that was declared: same method, same path, same pattern. */
function isDeclared({ route }: Layer, visa: Visa, request: Request): boolean {
  const { declared, base, mount } = visa;
  if (
    route?.path === declared.path &&
    mount === undefined &&
    request.url === visa.url &&
    request.baseUrl.length === base
  ) {
    return request.method === declared.method;
  }
  if (!isThere(visa, request) || request.method !== declared.method) return false;
  for (let each = mount; each !== undefined; each = each.outer) if (!each.asDeclared) return false;
  const mounted = request.baseUrl.slice(base);
  const depth = slashes(mounted);
  if (mounted.length !== (mount?.end ?? base) - base) return false;
  const tail = declared.segments.slice(depth);
  const pattern = `/${tail.join('/')}`;
  const is = (given: unknown) => given === pattern || (depth > 0 && tail.length === 0 && given === '');
  return Array.isArray(route?.path) ? route.path.some(is) : is(route?.path);
}

/** Whether the parameters of a mount's pattern are those of the declaration, at the same place with the same value. */
function mountedAsDeclared(visa: Visa, outer: Mount | undefined, request: Request): boolean {
  const { declared, base } = visa;
  const parts = request.baseUrl.slice(base).split('/').slice(1);
  const from = outer === undefined ? 0 : slashes(request.baseUrl.slice(base, outer.end));
  const wanted = new Map<string, string>();
  for (const [index, part] of parts.entries()) {
    const segment = declared.segments[index];
    if (segment === undefined || segment.startsWith('*')) return false;
    if (segment.startsWith(':')) wanted.set(segment.slice(1), part);
    else if (segment !== part) return false;
  }
  const params = request.params as Record<string, string>;
  for (const [name, value] of Object.entries(params)) {
    const part = wanted.get(name);
    if (part === undefined || decodeURIComponent(part) !== value) return false;
  }
  return declared.segments
    .slice(from, parts.length)
    .every((segment) => !segment.startsWith(':') || segment.slice(1) in params);
}

function slashes(text: string): number {
  return text.split('/').length - 1;
}
