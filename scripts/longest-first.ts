// The order of test files: those that take minutes first, so that they do not run alone at the end.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const LONG = [
  ...['fault-matrix', 'faults', 'model/random', 'model/real', 'round-trip', 'way-back-trials', 'many-bans'],
  ...['ufw-defects/files', 'ufw-defects/machine', 'ufw-defects/order'],
  ...['window', 'lockout', 'ban', 'temporary'],
].map((name) => `/${name}.test.ts`);

function rank({ moduleId }: TestSpecification): number {
  const place = LONG.findIndex((ending) => moduleId.endsWith(ending));
  return place < 0 ? LONG.length : place;
}

/** vitest's own order behind the long ones. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
