// The table of routes: what a framework knows, put beside what was declared.
import type { Declaration } from './declaration.ts';
import type { Route } from './options.ts';

/** A route as the framework knows it. */
export interface Known {
  readonly method: string;
  readonly path: string;
}

/**
 * Known routes and declarations as one table, sorted by path and method.
 *
 * @param seen whether a declaration that names no known route may still name one that cannot be seen
 */
export function tableOf(
  known: readonly Known[],
  declared: readonly Declaration[],
  hasAuthorize: boolean,
  seen: (declaration: Declaration) => boolean = () => false,
): Route[] {
  const rest = hasAuthorize ? 'authorized' : 'closed';
  const open = new Map(declared.map((each) => [each.text, each]));
  const lines = new Map<string, Route>();
  for (const { method, path } of known) {
    const text = `${method} ${path}`;
    lines.set(text, { method, path, access: open.has(text) ? 'public' : rest });
  }
  for (const [text, each] of open) {
    if (lines.has(text)) continue;
    const { method, path } = each;
    // HEAD is served by the route of GET, and a route for all methods serves each of them.
    const served =
      seen(each) ||
      (method === 'HEAD' && lines.has(`GET ${path}`)) ||
      known.some((route) => route.method === 'ALL' && route.path === path);
    lines.set(
      text,
      served ? { method, path, access: 'public' } : { method, path, access: 'closed', missing: true },
    );
  }
  return [...lines.values()].sort((a, b) => order(a.path, b.path) || order(a.method, b.method));
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
