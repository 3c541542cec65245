// The registry: which application is guarded by which guard, also across two copies of this package in one process.
import type { Guard } from './options.ts';

/** A guarded application. `ready` resolves when all its routes are known. */
export interface Guarded {
  readonly app: object;
  readonly guard: Guard;
  ready(): PromiseLike<unknown>;
}

const KEY = Symbol.for('@moat/guard');
const shared = globalThis as { [KEY]?: Guarded[] };

/**
 * Notes that an application is guarded.
 * @throws Error when it has a guard already: two lists of public routes would be one too many to review
 */
export function register(app: object, guard: Guard, ready: Guarded['ready'] = async () => undefined): Guard {
  shared[KEY] ??= [];
  if (guardOf(app) !== undefined) throw new Error('guard: this application has a guard already');
  shared[KEY].push({ app, guard, ready });
  return guard;
}

/** All guarded applications of this process, in the order of their guards. */
export function allGuarded(): readonly Guarded[] {
  return shared[KEY] ?? [];
}

/** The guard of an application, if it has one. */
export function guardOf(app: unknown): Guarded | undefined {
  return shared[KEY]?.find((each) => each.app === app);
}
