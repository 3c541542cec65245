import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { nftApply, nftCheck, nftListTable } from './nft.ts';
import * as ownNetwork from './own-network.ts';
import { type Paths, pathsUnder } from './paths.ts';
import * as processes from './process.ts';

let paths: Paths;
beforeEach(() => {
  paths = pathsUnder(mkdtempSync(join(tmpdir(), 'nft-')));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(paths.root, { recursive: true });
});

vi.mock('./process.ts', { spy: true });
vi.mock('./own-network.ts', { spy: true });

function nftSays(said: Partial<processes.Finished>): void {
  vi.mocked(processes.run).mockResolvedValue({
    kind: 'finished',
    code: 1,
    signal: undefined,
    timedOut: false,
    stdout: '',
    stderr: '',
    ...said,
  });
}

test('in the system’s network a development build never runs nft', async () => {
  nftSays({ code: 0 });
  vi.mocked(ownNetwork.refusesRuleChanges).mockReturnValue(true);
  const result = await nftApply('table inet moat {}\n', { paths });
  expect(result).toMatchObject({ kind: 'guarded', message: expect.stringContaining('development build') });
  expect(processes.run).not.toHaveBeenCalled();
  expect(ownNetwork.refusesRuleChanges).toHaveBeenCalledWith(false);
});

test('elsewhere it runs nft on the file that it keeps', async () => {
  nftSays({ code: 0 });
  vi.mocked(ownNetwork.refusesRuleChanges).mockReturnValue(false);
  expect(await nftApply('table inet moat {}\n', { paths })).toEqual({ kind: 'ok' });
  expect(processes.run).toHaveBeenCalledExactlyOnceWith('nft', ['-f', paths.sent], { inherits: [] });
  expect(existsSync(paths.sent)).toBe(true);
  expect(readFileSync(paths.sent, 'utf8')).toBe('table inet moat {}\n');
});

test('a table that cannot be read is not a table that does not exist', async () => {
  nftSays({ stderr: 'Error: No such file or directory\nlist table inet moat\n                ^^^^\n' });
  expect(await nftListTable()).toBeUndefined();
  nftSays({ stderr: 'netlink: Error: cache initialization failed: Operation not permitted\n' });
  await expect(nftListTable()).rejects.toThrow('Operation not permitted');
  nftSays({ code: undefined, signal: 'SIGSEGV' });
  await expect(nftListTable()).rejects.toThrow('SIGSEGV');
});

test('without nft the message says what to install', async () => {
  vi.mocked(ownNetwork.refusesRuleChanges).mockReturnValue(false);
  vi.mocked(processes.run).mockResolvedValue({ kind: 'missing', command: 'nft' });
  const missing = { kind: 'missing', message: expect.stringContaining('apt install nftables') };
  expect(await nftApply('', { paths })).toEqual(missing);
  expect(await nftCheck('', { paths })).toEqual(missing);
  await expect(nftListTable()).rejects.toThrow('apt install nftables');
});
