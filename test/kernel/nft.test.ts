import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { assertPrivateNetwork } from '../../lab/guard.ts';
import {
  nftApply,
  nftCheck,
  nftHasTable,
  nftListTable,
  nftListText,
} from '../../packages/firewall/src/kernel/nft.ts';
import { type Paths, pathsUnder } from '../../packages/firewall/src/kernel/paths.ts';
import { run } from '../../packages/firewall/src/kernel/process.ts';

assertPrivateNetwork();

let paths: Paths;
beforeEach(() => {
  paths = pathsUnder(mkdtempSync(join(tmpdir(), 'nft-')));
});
afterEach(async () => {
  await run('nft', ['delete', 'table', 'inet', 'moat']);
  rmSync(paths.root, { recursive: true });
});

const TABLE = 'table inet moat {\n\tset open {\n\t\ttype inet_service\n\t\telements = { 22 }\n\t}\n}\n';

test('what is applied is in the kernel, and on the disk for root alone', async () => {
  expect(await nftHasTable()).toBe(false);
  expect(await nftListTable()).toBeUndefined();
  expect(await nftListText()).toBeUndefined();
  expect(await nftApply(TABLE, { paths })).toEqual({ kind: 'ok' });
  expect(await nftHasTable()).toBe(true);
  expect(await nftListText()).toBe(TABLE);
  expect(await nftListText({ handles: true })).toMatch(/set open \{ # handle \d+/);
  expect(await nftListTable()).toMatchObject({
    nftables: [{ metainfo: {} }, { table: { name: 'moat' } }, { set: { name: 'open', elem: [22] } }],
  });
  expect(readFileSync(paths.sent, 'utf8')).toBe(TABLE);
  expect(statSync(paths.sent).mode & 0o777).toBe(0o600);
});

test('a text that nft does not understand is refused with its place, and nothing changes', async () => {
  const text = `${TABLE}add rule inet moat\n  nonsense here\n`;
  const result = await nftApply(text, { paths });
  expect(result).toMatchObject({ kind: 'refused', file: paths.sent, line: 7 });
  expect(result).toMatchObject({ message: expect.stringContaining('syntax error') });
  expect(await nftListTable()).toBeUndefined();
});

test('what the kernel refuses is refused with its place, and nothing changes', async () => {
  const result = await nftApply(`${TABLE}add rule inet moat nowhere accept\n`, { paths });
  expect(result).toMatchObject({ kind: 'refused', line: 7, column: 20 });
  expect(result).toMatchObject({ message: expect.stringContaining('No such file or directory') });
  expect(await nftListTable()).toBeUndefined();
});

test('a check says the same, changes nothing and leaves nothing', async () => {
  expect(await nftCheck(TABLE, { paths })).toEqual({ kind: 'ok' });
  expect(await nftCheck('add rule inet moat nowhere accept\n', { paths })).toMatchObject({
    kind: 'refused',
    line: 1,
    column: 15,
  });
  expect(await nftListTable()).toBeUndefined();
  expect(readdirSync(paths.run)).toEqual([]);
});
