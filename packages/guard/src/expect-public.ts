// expectPublic: the application's own test that nothing became public without anybody noticing.
import { AssertionError } from 'node:assert';
import { guardOf } from './registry.ts';

/**
 * Passes if exactly these routes of a guarded application are public.
 *
 * @param app what was given to `guard`
 * @param expected `METHOD /path`, in any order
 * @throws AssertionError (as a rejection) that lists what is public beside them, or no longer is; or that `app` has no guard
 *
 * @example
 * test('only the health check is public', () => expectPublic(app, ['GET /health']));
 */
export async function expectPublic(app: object, expected: readonly string[]): Promise<void> {
  const guarded = guardOf(app);
  if (guarded === undefined) {
    throw new AssertionError({
      message: 'expectPublic: this application has no guard; everything is public',
    });
  }
  await guarded.ready();
  const actual = guarded.guard
    .routes()
    .filter(({ access }) => access === 'public')
    .map(({ method, path }) => `${method} ${path}`)
    .sort();
  const wanted = [...new Set(expected)].sort();
  const beside = actual.filter((each) => !wanted.includes(each));
  const lost = wanted.filter((each) => !actual.includes(each));
  if (beside.length === 0 && lost.length === 0) return;
  const lines = [
    ...beside.map((each) => `  public, but not expected: ${each}`),
    ...lost.map((each) => `  expected, but not public: ${each}`),
  ];
  throw new AssertionError({
    message: ['The public routes are not the expected ones:', ...lines].join('\n'),
    actual,
    expected: wanted,
    operator: 'expectPublic',
  });
}
