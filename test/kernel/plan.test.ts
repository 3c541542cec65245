// `moat plan` tells what a change would do and changes nothing; `moat check` tells what is odd. Words and exit codes.
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import type { CommandResult } from '../../lab/command.ts';
import { type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';

let network: Network;
let server: Agent;
let moat: Moat;

beforeAll(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  server = await startAgent(network.server, { title: 'mysqld' });
  await server.serve(3306);
  await mkdir(dirname(moat.policy), { recursive: true });
});

afterAll(async () => {
  await moat?.destroy();
  await server?.stop();
  await network?.destroy();
});

const rules = (): Promise<string> => network.server.output('nft', ['list', 'ruleset']);
const write = (...lines: readonly string[]): void =>
  writeFileSync(moat.policy, lines.map((line) => `${line}\n`).join(''));
/** With single spaces: columns are a matter of the table. */
const lines = ({ stdout, stderr }: CommandResult): string[] =>
  `${stdout}${stderr}`
    .trim()
    .split('\n')
    .map((line) => line.replace(/ +/g, ' '));

/** Plans, and sees that nothing came of it. */
async function plan(): Promise<CommandResult & { readonly lines: string[] }> {
  const before = [await rules(), readFileSync(moat.policy, 'utf8')];
  const result = await moat.run('plan');
  expect([await rules(), readFileSync(moat.policy, 'utf8')]).toEqual(before);
  return { ...result, lines: lines(result) };
}

test('before moat is enabled: what enabling would do, and the command that does exactly that', async () => {
  write('allow from 203.0.113.7 to any port 3306 proto tcp');
  const planned = await plan();
  expect(planned.code).toBe(0);
  expect(planned.lines.slice(0, 3)).toEqual([
    'PLAN closes 3306/tcp (mysqld) to anywhere but 203.0.113.7 v4',
    ' closes 3306/tcp (mysqld) to anywhere v6',
    ' keeps 3306/tcp (mysqld) to 203.0.113.7 v4',
  ]);
  const [, basis] = /: moat enable (--if-state \w+)$/.exec(planned.lines.at(-1)!) ?? [];
  expect(await rules()).toBe('');
  write('allow 22');
  const stale = await moat.run('enable', ...basis!.split(' '), '--confirm', '0');
  expect([stale.code, stale.stderr]).toEqual([3, expect.stringContaining('planned on another state')]);
  write('allow from 203.0.113.7 to any port 3306 proto tcp');
  await moat.ok('enable', ...basis!.split(' '), '--confirm', '0');
  expect((await plan()).lines).toEqual(['The policy file says what is in force already: nothing to do']);
});

test('an edited file: what opens; and what means the same has no effect', async () => {
  write('allow 3306/tcp');
  const planned = await plan();
  expect(planned.lines.slice(0, 2)).toEqual([
    'PLAN opens 3306/tcp (mysqld) to anywhere but 203.0.113.7 v4',
    ' opens 3306/tcp (mysqld) to anywhere v6',
  ]);
  expect(planned.lines.at(-1)).toMatch(/: moat reload --if-state \w+$/);
  write('allow from 203.0.113.7 to any port 3306 proto tcp', 'deny 3306/tcp');
  const same = await plan();
  expect(same.lines[0]).toBe('PLAN no effect: no verdict changes, for any packet');
  expect(same.lines.at(-1)).toMatch(/moat reload --if-state/);
});

test('what would be refused is refused here, with the same exit codes', async () => {
  write('alow 22');
  expect(await plan()).toMatchObject({ code: 2, stderr: expect.stringContaining(':1:1') });
  write('allow 22', 'expect deny from any to any port 22');
  expect(await plan()).toMatchObject({ code: 3, stderr: expect.stringContaining('expect deny') });
});

test('check: sentences that never decide, and why; nothing odd is exit code 0', async () => {
  write(
    'allow 22',
    'allow 22/tcp',
    'deny from 192.0.2.0/24',
    'allow from 192.0.2.9',
    'allow 22:23/tcp',
    'allow from 192.0.2.9 to any port 22 proto tcp',
    'deny 80',
  );
  const found = await moat.run('check');
  expect(found.code).toBe(3);
  expect(lines(found)).toEqual([
    'Sentences of the policy',
    ' [2] allow 22/tcp',
    ' says nothing that rule 1 does not say before it',
    ' [4] allow from 192.0.2.9',
    ' never decides: rules 1, 3 before it decide all that it is about, not all of them as it does',
    ' [6] allow from 192.0.2.9 to any port 22 proto tcp',
    ' says nothing that rule 1 does not say before it',
    ' [7] deny 80',
    ' changes nothing: without it later rules or the default decide the same',
    '',
    'IPv4 and IPv6',
    ' 3306/tcp can be reached over IPv4 and not over IPv6',
    '',
    expect.stringContaining('--all shows them'),
    '5 things are odd',
  ]);
  write('allow 3306/tcp');
  await moat.ok('reload', '--confirm', '0');
  const sound = await moat.run('check');
  expect([sound.code, lines(sound).at(-1)]).toEqual([0, 'Nothing is odd']);
});

test('check: a rule of somebody else that is hidden, with the rule that hides it', async () => {
  await network.server.output('nft', ['-f', '-'], {
    input: `table inet mine {
      chain in { type filter hook input priority 10; tcp dport 1000-2000 drop; tcp dport 1234 accept; }
    }`,
  });
  const found = await moat.run('check');
  await network.server.output('nft', ['delete', 'table', 'inet', 'mine']);
  expect(found.code).toBe(3);
  expect(found.stderr).toMatch(
    /inet mine in rule 2\): .*1234.*\n +never matches: all that it could match is decided before it by\n +.*inet mine in rule 1\): .*1000-2000/,
  );
});
