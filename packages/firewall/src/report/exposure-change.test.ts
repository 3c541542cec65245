import { expect, test } from 'vitest';
import { type ExposureRow, exposureChanges } from './exposure-change.ts';

const BY = {
  ...{ owner: 'moat', family: 'inet', table: 'moat', chain: 'incoming', rule: 2 },
  ...{ text: 'tcp to port 22 → accept', program: 'nft' },
} as const;

function row(
  port: number | string,
  sources: readonly string[],
  more: Partial<ExposureRow> = {},
): ExposureRow {
  return {
    ...{ family: 'ipv4', proto: 'tcp', port, sources, openedBy: [BY], certainty: 'must' },
    reaches: { kind: 'process', name: 'sshd', unit: null, pid: 7, uid: 0 },
    ...more,
  };
}

/** `opened 22 192.0.2.0/24`, each change. */
function changes(
  before: readonly ExposureRow[],
  after: readonly ExposureRow[],
  list: 'exposures' | 'direct' = 'exposures',
): string[] {
  const empty = { exposures: [], direct: [] };
  return exposureChanges({ ...empty, [list]: before }, { ...empty, [list]: after }).map(
    ({ change, port, sources, direct }) => `${change} ${port} ${sources.join(' ')}${direct ? ' direct' : ''}`,
  );
}

test('what is the same is no change, whichever process it is and however rows are cut', () => {
  const process = { kind: 'process', name: 'sshd', unit: null, pid: 8, uid: 0 };
  expect(changes([row(22, ['0.0.0.0/0'])], [row(22, ['0.0.0.0/0'], { reaches: process })])).toEqual([]);
  const cut = [row(22, ['0.0.0.0/1']), row(22, ['128.0.0.0/1'])];
  expect(changes([row(22, ['0.0.0.0/0'])], cut)).toEqual([]);
  expect(changes(cut, [row(22, ['0.0.0.0/0'])])).toEqual([]);
  const wide = row('8000-8100', ['10.0.0.0/8']);
  const narrow = [row('8000-8050', ['10.0.0.0/8']), row('8051-8100', ['10.0.0.0/8'])];
  expect(changes([wide], narrow)).toEqual([]);
});

test('only those to whom it was opened or closed are told', () => {
  const [all, net, but] = [['0.0.0.0/0'], ['192.0.2.0/24'], ['192.0.2.128/25']];
  expect(changes([], [row(22, all)])).toEqual(['opened 22 0.0.0.0/0']);
  expect(changes([row(22, all)], [])).toEqual(['closed 22 0.0.0.0/0']);
  expect(changes([row(22, net)], [row(22, but)])).toEqual(['closed 22 192.0.2.0/25']);
  expect(changes([row(22, but)], [row(22, net)])).toEqual(['opened 22 192.0.2.0/25']);
});

test('a port out of a range, and neighbours told together', () => {
  const wide = row('8000-8100', ['10.0.0.0/8']);
  const holed = [row('8000-8049', ['10.0.0.0/8']), row('8052-8100', ['10.0.0.0/8'])];
  expect(changes([wide], holed)).toEqual(['closed 8050-8051 10.0.0.0/8']);
  expect(changes(holed, [wide])).toEqual(['opened 8050-8051 10.0.0.0/8']);
});

test('another server, family, interface or list is another exposure; nothing behind it is none', () => {
  const all = ['0.0.0.0/0'];
  const other = { kind: 'process', name: 'nc', unit: null, uid: 0 };
  expect(changes([row(22, all)], [row(22, all, { reaches: other })])).toEqual([
    'closed 22 0.0.0.0/0',
    'opened 22 0.0.0.0/0',
  ]);
  expect(changes([row(22, all)], [row(22, all), row(22, ['::/0'], { family: 'ipv6' })])).toEqual([
    'opened 22 ::/0',
  ]);
  expect(changes([], [row(22, all)], 'direct')).toEqual(['opened 22 0.0.0.0/0 direct']);
  const none = { kind: 'none', name: null };
  expect(changes([], [row(22, all, { reaches: none })])).toEqual([]);
  expect(changes([], [row(22, all, { reaches: { ...none, unseen: true } })])).toEqual([
    'opened 22 0.0.0.0/0',
  ]);
});
