// Options: what one says to a guard, the same for every framework.

/** What `authorize` says: `true` lets in, `'forbidden'` is 403 (known, but not allowed), all else is 401. */
export type Answer = boolean | 'forbidden';

/** Why a request was refused. Only the log learns it; the client sees the status alone. */
export type Reason =
  | 'ambiguous target'
  | 'ambiguous headers'
  | 'HTTP/2'
  | 'no authorize'
  | 'not authorized'
  | 'forbidden'
  | 'no clear answer'
  | 'authorize failed'
  | 'authorize timed out'
  | 'answered by something that is not public'
  | 'upgrade';

/** One refused request, for the log. `target` is what stood in the request line, unchanged: escape it before you print it. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly reason: Reason;
  readonly method: string;
  readonly target: string;
  /** What `authorize` threw or rejected with. */
  readonly error?: unknown;
}

/**
 * What a guard is told. `Request` is the framework's own: Express's and Node's request, Fastify's request, Hono's and
 * Koa's context.
 *
 * @example
 * const options: GuardOptions<IncomingMessage> = {
 *   public: ['GET /health'],
 *   authorize: tokenIs(process.env['TOKEN']),
 *   log: ({ status, reason, method, target }) => console.warn(status, method, JSON.stringify(target), reason),
 * };
 */
export interface GuardOptions<Request> {
  /** Asked for every request that is not for a public route. Without it nothing but the public routes is served. */
  readonly authorize?: (request: Request) => Answer | Promise<Answer>;
  /**
   * The routes that anybody may use, each as `METHOD /path`, the path spelled as in the framework. `UPGRADE /path` are the
   * websockets of a path.
   */
  readonly public?: readonly string[];
  /** Milliseconds that `authorize` may take; 5000 unless told. */
  readonly timeout?: number;
  /** The `WWW-Authenticate` of a 401; `Bearer` unless told. */
  readonly challenge?: string;
  /** Gets every refusal. What it throws is ignored. */
  readonly log?: (refusal: Refusal) => void;
}

/**
 * One line of the table of routes. `public`: anybody. `authorized`: whom `authorize` lets in. `closed`: nobody, because
 * there is no `authorize`, or because a declaration names a route that does not exist (`missing`).
 */
export interface Route {
  readonly method: string;
  readonly path: string;
  readonly access: 'public' | 'authorized' | 'closed';
  readonly missing?: true;
}

/** What `guard(…)` gives back. */
export interface Guard {
  /**
   * The routes that exist now, sorted, and who may use them.
   *
   * @example
   * console.table(guard(app, options).routes());
   */
  routes(): Route[];
}
