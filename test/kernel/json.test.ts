// What commands print with --json is what docs/JSON.md says: every field there is documented, and as documented.
import { appendFile, copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { documentedSchema, schemaProblems } from '../json-schema.ts';

let network: Network;
let server: Agent;
let moat: Moat;

beforeAll(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  server = await startAgent(network.server, { title: 'mysqld' });
  await server.serve(3306);
});

afterAll(async () => {
  await moat?.destroy();
  await server?.stop();
  await network?.destroy();
});

const DUMP = `*filter
:INPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 1000:2000 -j DROP
-A INPUT -p tcp -m tcp --dport 1234 -j ACCEPT
COMMIT
`;

/** What it said, held against the schema of that name. */
async function answer(schema: string, code: number, ...words: string[]): Promise<Record<string, unknown>> {
  const said = await moat.run(...words, '--json');
  const value = JSON.parse(said.stdout) as Record<string, unknown>;
  expect([words, said.code, schemaProblems(documentedSchema(schema), value)]).toEqual([words, code, []]);
  expect(value['ok']).toBe(code === 0);
  return value;
}

test('nothing is there yet', async () => {
  expect(await answer('history', 0, 'history')).toMatchObject({ current: null, generations: [] });
  expect(await answer('bans', 0, 'bans')).toMatchObject({ active: false, bans: [] });
  expect(await answer('status', 0, 'status')).toMatchObject({ active: false, open: [{ port: 3306 }, {}] });
  expect(await answer('rules', 0, 'show', 'rules')).toMatchObject({ chains: [] });
});

test('changes and what they would do', async () => {
  const first = await answer('change', 0, 'allow', 'from', '203.0.113.7', 'to', 'any', 'port', '3306');
  expect(first).toMatchObject({ active: false, effects: null });
  const plan = await answer('change', 0, 'plan');
  expect(plan).toMatchObject({ changed: true, effects: { noEffect: false } });
  expect(plan['effects']).toHaveProperty('listeners.length', 3);
  const dry = await answer('change', 0, 'enable', '--dry-run');
  expect(dry).toMatchObject({ dryRun: true, nft: expect.stringContaining('table inet moat') });
  expect(await answer('change', 0, 'enable', '--confirm', '600')).toMatchObject({ applied: true });
  expect(await answer('status', 0, 'status')).toMatchObject({
    active: true,
    confirmWithin: expect.any(Number),
    rules: [{ number: 1, answers: ['mysqld'] }],
  });
  expect(await answer('history', 0, 'history')).toMatchObject({
    current: 1,
    generations: [{ number: 1, fate: 'waits', why: expect.stringContaining('enable') }],
  });
  const abort = await moat.run('abort');
  expect(abort.code).toBe(0);
  await moat.ok('enable', '--confirm', '0');
});

test('bans, with and without an end and a reason', async () => {
  await moat.ok('ban', '192.0.2.0/24', 'for', '1h', 'because', 'of', 'noise');
  await moat.ok('ban', '2001:db8:bad::/48');
  const { bans } = await answer('bans', 0, 'bans');
  expect(bans).toMatchObject([{ because: 'of noise' }, { left: null }]);
});

test('expectations that hold and fail, and the proof', async () => {
  await moat.ok('expect', 'deny', 'from', '192.0.2.9', 'to', 'any', 'port', '3306');
  expect(await answer('test', 0, 'test')).toMatchObject({ proof: 'proved', expectations: [{ holds: true }] });
  await appendFile(moat.policy, 'expect allow from 192.0.2.9 to any port 3306\n');
  expect(await answer('test', 3, 'test')).toMatchObject({
    expectations: [{ holds: true }, { holds: false, counterexamples: [{ family: 'ipv4' }] }],
  });
});

test('what differs, with the rules that decide', async () => {
  const other = join(moat.root, 'other');
  await copyFile(moat.policy, other);
  await appendFile(other, 'allow 80/tcp\n');
  const { differences } = await answer('diff', 0, 'diff', moat.policy, other);
  expect(differences).toMatchObject([
    { road: 'input', effect: 'opens', families: ['ipv4', 'ipv6'] },
    { road: 'groups' },
  ]);
  expect(await answer('diff', 0, 'diff', '1', '1')).toMatchObject({ from: 1, to: 1, difference: [] });
});

test('rules and sentences that decide nothing', async () => {
  const dump = join(moat.root, 'dump');
  await writeFile(dump, DUMP);
  expect(await answer('check', 3, 'check', '--ruleset', dump)).toMatchObject({
    rules: [{ kind: 'hidden', rule: { rule: 2 }, by: [{ rule: 1 }] }],
    sentences: [],
  });
  await writeFile(moat.policy, 'deny 22\nallow 22/tcp\n');
  expect(await answer('check', 3, 'check')).toMatchObject({
    sentences: [{ number: 2, kind: 'contradicted', by: [1] }],
  });
});

test('everybody’s rules, with moat’s own', async () => {
  await network.server.output('iptables-nft-restore', [], { input: DUMP });
  const { owners, chains } = await answer('rules', 0, 'show', 'rules');
  expect(owners).toContain('moat');
  expect(chains).toContainEqual(expect.objectContaining({ table: 'filter', chain: 'INPUT' }));
});
