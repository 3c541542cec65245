// Expectations of the policy: kept or the change is refused before anything is touched.
import { appendFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';

let network: Network;
let moat: Moat;

beforeAll(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
});

afterAll(async () => {
  await network?.destroy();
  await moat?.destroy();
});

const rules = () => network.server.output('nft', ['list', 'ruleset']);
const FAILS = 'tcp from 198.51.100.1 to port 3306 is let through by rule 2, `allow 3306/tcp`';

test('a policy is written with its expectations, which hold or are told', async () => {
  await moat.ok('allow', '22');
  expect(await moat.ok('expect', 'allow', 'from', '203.0.113.7', 'to', 'any', 'port', 'mysql')).toContain(
    'could not be enabled',
  );
  await moat.ok('allow', 'from', '203.0.113.7', 'to', 'any', 'port', 'mysql');
  await moat.ok('expect', 'deny', 'from', 'any', 'to', 'any', 'port', 'mysql');
  expect(await moat.ok('test')).toContain('All 2 expectations hold, for all packets');
  await moat.ok('enable', '--confirm', '0');
  expect((await moat.ok('show', 'added')).trimEnd().split('\n')).toEqual([
    'moat allow 22',
    'moat allow from 203.0.113.7 to any port 3306 proto tcp',
    'moat expect allow from 203.0.113.7 to any port 3306 proto tcp',
    'moat expect deny 3306/tcp',
  ]);
});

test('a change that breaks one is refused, and nothing is touched', async () => {
  const before = await rules();
  for (const dry of [['--dry-run'], []]) {
    const said = await moat.run('insert', '2', 'allow', 'mysql', ...dry);
    expect([said.code, said.stderr]).toEqual([3, expect.stringContaining(FAILS)]);
    expect(await rules()).toBe(before);
    expect(await moat.ok('show', 'added')).not.toContain('allow 3306/tcp');
  }
});

test('`moat test` reads the file as it stands, and says what fails', async () => {
  await appendFile(moat.policy, 'expect reject from 192.0.2.0/24 to any port 22\n');
  const said = await moat.run('test');
  expect([said.code, said.stderr.trim().split('\n')]).toEqual([
    3,
    [
      'ok    expect allow from 203.0.113.7 to any port 3306 proto tcp',
      'ok    expect deny 3306/tcp',
      'FAIL  expect reject from 192.0.2.0/24 to any port 22',
      '      tcp from 192.0.2.1 to port 22 is let through by rule 1, `allow 22`',
      '1 of 3 expectations fails',
    ],
  ]);
  const json = JSON.parse((await moat.run('test', '--json')).stdout);
  expect(json.expectations[2]).toMatchObject({
    sentence: 'expect reject from 192.0.2.0/24 to any port 22',
    holds: false,
    counterexamples: [
      {
        family: 'ipv4',
        verdict: 'accept',
        decidedBy: { kind: 'rule', number: 1, sentence: 'allow 22' },
        packet: { src: '192.0.2.1', dport: 22, state: 'new' },
        all: ['192.0.2.0/24 × tcp,udp × 22'],
      },
    ],
  });
  await moat.ok('delete', 'expect', 'reject', 'from', '192.0.2.0/24', 'to', 'any', 'port', '22');
  await moat.ok('test');
});
