// The proof of each change: what compiles wrongly is not loaded, what the kernel lists otherwise goes back.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Table } from '@moat/netfilter';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { assertPrivateNetwork } from '../../lab/guard.ts';
import { type ChangeResult, makeChange } from '../../packages/firewall/src/apply/change.ts';
import type { ChangeRequest } from '../../packages/firewall/src/apply/plan.ts';
import { WORKINGS, type Workings } from '../../packages/firewall/src/apply/workings.ts';
import { changeAnswer } from '../../packages/firewall/src/cli/change-answer.ts';
import { nftListText } from '../../packages/firewall/src/kernel/nft.ts';
import { type Paths, pathsUnder } from '../../packages/firewall/src/kernel/paths.ts';
import { run } from '../../packages/firewall/src/kernel/process.ts';
import { readProved } from '../../packages/firewall/src/kernel/state.ts';
import { parseServices } from '../../packages/firewall/src/policy/services.ts';

assertPrivateNetwork();

let paths: Paths;
beforeEach(() => {
  process.env['DOCKER_HOST'] = 'unix:///nonexistent/docker.sock';
  paths = pathsUnder(mkdtempSync(join(tmpdir(), 'proof-')));
});
afterEach(async () => {
  delete process.env['DOCKER_HOST'];
  await run('nft', ['delete', 'table', 'inet', 'moat']);
  rmSync(paths.root, { recursive: true });
});

const REQUEST: ChangeRequest = {
  command: 'moat',
  services: parseServices(''),
  edit: undefined,
  activate: true,
  confirmSeconds: 0,
  allowLockout: false,
  keepFlows: false,
  dryRun: false,
};

/** Adds a sentence to the policy and brings it into force. */
function allow(sentence: string, workings: Partial<Workings> = {}): Promise<ChangeResult> {
  const edit: ChangeRequest['edit'] = ({ text }) => ({
    ok: true,
    text: `${text}${sentence}\n`,
    warnings: [],
  });
  return makeChange(paths, { ...REQUEST, edit }, { ...WORKINGS, ...workings });
}

/** The table with every rule that refuses made one that lets in. */
function withoutDrops(table: Table): Table {
  const chains = table.chains.map((chain) => ({
    ...chain,
    rules: chain.rules.map((rule) => ({
      ...rule,
      statements: rule.statements.map((statement) =>
        statement.kind === 'verdict' && statement.verdict.kind === 'drop'
          ? ({ kind: 'verdict', verdict: { kind: 'accept' } } as const)
          : statement,
      ),
    })),
  }));
  return { ...table, chains };
}

/** A kernel that tells the truth before the change, and afterwards the rules as `change` makes them. */
function listing(change: (table: Table) => Table): Workings['list'] {
  let isBefore = true;
  return async () => {
    const table = await WORKINGS.list();
    const told = isBefore ? table : table && change(table);
    isBefore = false;
    return told;
  };
}

/** The rules in the kernel, without counters; '' if there are none. */
async function loaded(): Promise<string> {
  return ((await nftListText()) ?? '').replaceAll(/ packets \d+ bytes \d+/g, '');
}
const told = (result: ChangeResult) => changeAnswer(result, () => 'done');

test('a sound change is proved, and the same again is known', async () => {
  const first = await allow('allow 22/tcp');
  expect(first).toMatchObject({ kind: 'done', plan: { proof: { kind: 'proved' } } });
  const [key] = readProved(paths);
  expect(first).toMatchObject({ plan: { proof: { key } } });
  await allow('allow 80/tcp');
  expect(readProved(paths)).toEqual([expect.not.stringMatching(key!), key]);
  expect(told(first)).toMatchObject({ json: { proof: 'proved' } });
});

test('rules that do not mean the policy are not loaded', async () => {
  await allow('allow 22/tcp');
  const [before, text, known] = [await loaded(), readFileSync(paths.policy, 'utf8'), readProved(paths)];
  const compile: Workings['compile'] = (policy, links) => withoutDrops(WORKINGS.compile(policy, links));
  const result = await allow('deny 23/tcp', { compile });
  expect(result).toMatchObject({ kind: 'unproved', difference: { policy: ['drop'], table: ['accept'] } });
  const answer = told(result);
  expect(answer.code).toBe(1);
  expect(answer.text).toMatch(/mistake in moat/);
  expect(answer.text).toMatch(
    /the policy: denied by the default, `deny incoming`\n.*the rules: {2}let through/,
  );
  expect(answer.json).toMatchObject({
    error: 'unproved',
    difference: {
      traffic: 'incoming',
      decidedBy: { kind: 'default', verdict: 'deny' },
      packet: { state: 'new' },
    },
  });
  expect(await loaded()).toBe(before);
  expect(readFileSync(paths.policy, 'utf8')).toBe(text);
  expect(readProved(paths)).toEqual(known);
});

test('a single sentence that is lost is told with that sentence', async () => {
  const compile: Workings['compile'] = (policy, links) =>
    WORKINGS.compile({ ...policy, rules: policy.rules.slice(1) }, links);
  const answer = told(await allow('allow from 203.0.113.7 to any port 3306 proto tcp', { compile }));
  expect(answer.text).toContain('tcp from 203.0.113.7 to port 3306');
  expect(answer.text).toContain('let through by rule 1, `allow from 203.0.113.7 to any port 3306 proto tcp`');
  expect(await loaded()).toBe('');
});

test('a kernel that lists other rules than were sent goes back to those before', async () => {
  await allow('allow 22/tcp');
  const [before, text] = [await loaded(), readFileSync(paths.policy, 'utf8')];
  const result = await allow('deny 23/tcp', { list: listing(withoutDrops) });
  expect(result).toMatchObject({ kind: 'failed' });
  const answer = told(result);
  expect(answer.code).toBe(1);
  expect(answer.text).toMatch(/the kernel lists other rules than were sent. This is a mistake in moat/);
  expect(answer.text).toMatch(/the policy: denied by .*\n.*the rules: {2}let through/);
  expect(answer.text).toMatch(/The rules from before are in force again/);
  expect(await loaded()).toBe(before);
  expect(readFileSync(paths.policy, 'utf8')).toBe(text);
});

test('a kernel that says the same in other words is believed, but not where rates differ', async () => {
  // A rule that no packet comes to.
  const idle = (table: Table): Table => ({
    ...table,
    chains: table.chains.map((chain) =>
      chain.name === 'routed'
        ? {
            ...chain,
            rules: [...chain.rules, { statements: [{ kind: 'verdict', verdict: { kind: 'accept' } }] }],
          }
        : chain,
    ),
  });
  expect(await allow('limit 22/tcp', { list: listing(idle) })).toMatchObject({
    kind: 'done',
    notes: expect.arrayContaining([expect.stringContaining('in other words')]),
  });
  const slower = (table: Table): Table => ({
    ...table,
    sets: table.sets.map((set) => (set.timeout === undefined ? set : { ...set, timeout: set.timeout * 2 })),
  });
  expect(await allow('allow 80/tcp', { list: listing(slower) })).toMatchObject({ kind: 'failed' });
});

test('what takes too long to prove is given up, said, and can be had by `moat test`', async () => {
  const many = Array.from(
    { length: 1500 },
    (_, i) =>
      `${i % 2 === 0 ? 'allow' : 'deny'} from 10.${i % 251}.${i % 13}.${i % 7} to any port ${1000 + ((i * 7) % 997)}`,
  );
  const result = await allow(['allow 22/tcp', ...many].join('\n'));
  expect(result).toMatchObject({ kind: 'done', plan: { proof: { kind: 'given up' } } });
  expect(told(result).text).toMatch(/was not proved.*`moat test`/);
  expect(readProved(paths)).toEqual([]);
});
