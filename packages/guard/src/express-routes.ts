// Express's routes as a table: walks the routers; what is mounted but cannot be looked into is one line of its own.
import type { Application } from 'express';
import { type Declaration, speaksOf, UPGRADE } from './declaration.ts';
import { isOpen } from './open.ts';
import type { Route } from './options.ts';
import { type Known, tableOf } from './table.ts';

interface Layer {
  readonly handle: { readonly stack?: readonly Layer[]; readonly length: number; readonly name: string };
  readonly route?: { readonly path: unknown; readonly methods: Readonly<Record<string, boolean>> };
  /** Express 5.3 and later: the pattern as written. */
  readonly rawPath?: unknown;
  /** Express 4. */
  readonly regexp?: RegExp & { fast_slash?: boolean };
  readonly keys?: readonly { readonly name: string | number }[];
  readonly slash?: boolean;
}

/** A mount whose pattern Express does not keep. */
const UNKNOWN = '/…';

/** The table of an Express application. */
export function routesOf(app: Application, declared: readonly Declaration[], hasAuthorize: boolean): Route[] {
  const known: Known[] = [];
  const hidden: string[] = [];
  walk(stackOf(app), '', known, hidden);
  const mounts = hidden.map((prefix) => ({ method: 'ALL', path: `${prefix}/*` }));
  // Whoever listens to the server's upgrades cannot be seen from here.
  return tableOf(
    [...known, ...mounts],
    declared,
    hasAuthorize,
    (each) =>
      each.method === UPGRADE || hidden.some((prefix) => prefix.includes(UNKNOWN) || covers(prefix, each)),
  );
}

/** The layers of an application's own router. Express 4 makes it late, and its `router` is a getter that throws. */
export function stackOf(app: Application): readonly Layer[] {
  const { _router, lazyrouter } = app as unknown as { _router?: RouterLike; lazyrouter?: unknown };
  if (lazyrouter !== undefined) return _router?.stack ?? [];
  return (app as unknown as { router?: RouterLike }).router?.stack ?? [];
}
interface RouterLike {
  readonly stack?: readonly Layer[];
}

function walk(stack: readonly Layer[], prefix: string, known: Known[], hidden: string[]): void {
  for (const layer of stack) {
    if (layer.route !== undefined) {
      const methods = Object.keys(layer.route.methods).map((name) =>
        name === '_all' ? 'ALL' : name.toUpperCase(),
      );
      for (const path of [layer.route.path].flat()) {
        const text = typeof path === 'string' ? path : String(path);
        for (const method of methods) known.push({ method, path: join(prefix, text) });
      }
    } else {
      const here = prefix + mountPath(layer);
      if (layer.handle.stack !== undefined && !here.includes(UNKNOWN))
        walk(layer.handle.stack, here, known, hidden);
      else if (
        layer.handle.stack !== undefined ||
        layer.handle.name === 'mounted_app' ||
        isOpen(layer.handle)
      )
        hidden.push(here);
      else if (here !== prefix) hidden.push(here);
    }
  }
}

function join(prefix: string, path: string): string {
  return path === '/' && prefix !== '' ? prefix : prefix + path;
}

function mountPath({ slash, regexp, keys = [], rawPath }: Layer): string {
  if (slash === true || regexp?.fast_slash === true || rawPath === '/') return '';
  if (typeof rawPath === 'string') return rawPath.replace(/\/$/, '');
  if (regexp === undefined) return UNKNOWN;
  const names = keys.map(({ name }) => `:${name}`);
  const text = regexp.source
    .replace(/^\^/, '')
    .replace('\\/?(?=\\/|$)', '')
    .replaceAll(/\(\?:\(\[\^\\\/\]\+\?\)\)/g, () => names.shift() ?? '')
    .replaceAll('\\/', '/')
    .replaceAll(/\\([.-])/g, '$1');
  return /[\\^$*+?()[\]{}|]/.test(text) ? UNKNOWN : text;
}

function covers(prefix: string, { path, method }: Declaration): boolean {
  const segments = [...prefix.slice(1).split('/'), '*'];
  return (
    prefix === '' ||
    path === prefix ||
    speaksOf({ text: '', method, path: prefix, segments, literal: false }, path)
  );
}
