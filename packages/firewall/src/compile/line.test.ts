import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runs } from '../../../../test/runs.ts';
import { firstWins, type Piece } from './line.ts';

test('every point belongs to the first piece that holds it, and neighbours of one label are one', () => {
  const piece = fc
    .tuple(fc.bigInt(0n, 30n), fc.bigInt(0n, 10n), fc.constantFrom('accept', 'drop'))
    .map(([first, length, owner]): Piece<string> => ({ interval: { first, last: first + length }, owner }));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const cut = firstWins(pieces, (owner) => owner);
      const holds = (list: readonly Piece<string>[], at: bigint): string | undefined =>
        list.find(({ interval }) => interval.first <= at && at <= interval.last)?.owner;
      for (let at = 0n; at <= 41n; at++) expect(holds(cut, at)).toBe(holds(pieces, at));
      for (const [i, { interval, owner }] of cut.entries()) {
        const before = cut[i - 1];
        if (before === undefined) continue;
        expect(interval.first).toBeGreaterThan(before.interval.last);
        if (before.owner === owner) expect(interval.first).toBeGreaterThan(before.interval.last + 1n);
      }
    }),
    { numRuns: runs(2000) },
  );
});
