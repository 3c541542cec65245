// Open: middleware that answers public requests itself, without a route (static files, CORS preflights).
const opened = new WeakSet<object>();

/**
 * Marks a middleware as one that may answer requests for declared public paths by itself. It opens nothing alone: the
 * path has to be declared as well.
 *
 * @example
 * guard(app, { authorize, public: ['GET /assets/*path', 'OPTIONS /api/*path'] });
 * app.use('/assets', open(express.static('assets')));
 * app.use('/api', open(cors()));
 */
export function open<Middleware extends object>(middleware: Middleware): Middleware {
  opened.add(middleware);
  return middleware;
}

/** Whether a middleware was marked. */
export function isOpen(middleware: object): boolean {
  return opened.has(middleware);
}
