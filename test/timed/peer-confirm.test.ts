// A change from a script: reaching a named peer again confirms it; if it cannot be reached any more, everything is back.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { eventually } from '../../lab/waiting.ts';
import { endWayBacks } from '../kernel/way-backs.ts';

let network: Network;
let moat: Moat;
let third: Agent;

beforeEach(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  third = await startAgent(network.third);
  await third.serve(2379);
  for (const port of ['22', '80']) await moat.ok('allow', port);
  await moat.ok('enable', '--confirm', '0');
});

afterEach(async () => {
  endWayBacks(moat.root);
  await third.stop();
  await network.destroy();
  await moat.destroy();
});

const rules = () => network.server.output('nft', ['-s', 'list', 'table', 'inet', 'moat']);
const policy = () => readFileSync(moat.policy, 'utf8');
const isPending = () => existsSync(join(moat.root, 'var/lib/moat/pending'));

test('reached again: it is confirmed, also for the next boot, and nothing goes back', async () => {
  for (const peer of ['192.0.2.9:2379', '[2001:db8:9::9]:2379']) {
    const words = peer.startsWith('[')
      ? ['delete', 'allow', '22', '--allow-lockout']
      : ['delete', 'allow', '80'];
    const said = await moat.ok(...words, '--confirm', '20', '--confirm-by-peer', peer);
    expect(said).toContain(`confirmed: ${peer} was reached again by a new connection`);
    expect(said).not.toContain('everything goes back');
    expect(isPending()).toBe(false);
  }
  expect(await moat.ok('history')).toMatch(/confirmed/);
  expect(readFileSync(join(moat.root, 'var/lib/moat/boot.nft'), 'utf8')).not.toContain('22');
});

test('cut off by the change: everything is back in time, and the command says so', async () => {
  const before = { rules: await rules(), policy: policy() };
  const begun = performance.now();
  const cut = await moat.run(
    'default',
    'deny',
    'outgoing',
    '--confirm',
    '2',
    '--confirm-by-peer',
    '192.0.2.9:2379',
  );
  expect(cut).toMatchObject({ code: 1, stdout: '' });
  expect(cut.stderr).toContain('192.0.2.9:2379 could not be reached after the change');
  expect(cut.stderr).toContain('a change was not confirmed');
  console.log(
    `cut off: the command said so after ${((performance.now() - begun) / 1000).toFixed(1)} s (2 asked for)`,
  );
  expect(await eventually(30_000, async () => !isPending())).toBe(true);
  expect({ rules: await rules(), policy: policy() }).toEqual(before);
});

test('who could not be reached before, and this host itself, confirm nothing: nothing is changed', async () => {
  const before = { rules: await rules(), policy: policy() };
  const refused = async (peer: string): Promise<string> => {
    const result = await moat.run('delete', 'allow', '80', '--confirm-by-peer', peer);
    expect(result).toMatchObject({ code: 3, stdout: '' });
    expect({ rules: await rules(), policy: policy() }).toEqual(before);
    return result.stderr;
  };
  expect(await refused('192.0.2.9:9')).toContain('192.0.2.9:9 cannot be reached now');
  const own = await startAgent(network.server);
  await own.serve(5000);
  for (const address of ['203.0.113.130:5000', '127.0.0.1:5000', '[::1]:5000']) {
    expect(await refused(address)).toContain('is this host itself');
  }
  await own.stop();
  expect((await moat.run('delete', 'allow', '80', '--confirm-by-peer', 'no:port')).code).toBe(2);
});
