// Replay: what one line changes, packets show; what it does not touch fares as before.
import { parseAddress } from '@moat/netfilter';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assertPrivateNetwork } from '../../../lab/guard.ts';
import { buildInjector, type Injector, type InjectorProgram } from '../../../lab/inject.ts';
import type { KernelPacket } from '../../../lab/probe.ts';
import type { RulesetText } from './kernel-ruleset.ts';
import { replay } from './replay.ts';

assertPrivateNetwork();

let program: InjectorProgram;
let injector: Injector;
beforeAll(async () => {
  program = await buildInjector();
  injector = await program.start();
});
afterAll(async () => {
  await injector.close();
  await program.remove();
});

const ruleset = (line: string): readonly RulesetText[] => [
  {
    tool: 'nft',
    text: `table inet t { chain input { type filter hook input priority 0; policy drop; tcp dport 22 accept\n${line}\n}\n}`,
  },
];

const to = (dport: number, iif: string): KernelPacket => ({
  family: 'ipv4',
  hook: 'input',
  fields: {
    iif,
    src: parseAddress('192.0.2.1')!,
    dst: parseAddress('198.51.100.1')!,
    proto: 6,
    sport: 4000,
    dport,
  },
});

test('packets flip where the rulesets differ, and only there', async () => {
  const before = ruleset('');
  const after = ruleset('iifname "eth0" tcp dport 80 accept');
  const packets = [to(80, 'eth0'), to(80, '*'), to(22, 'eth0'), to(81, 'eth0')];
  const told = (await replay(injector, before, after, packets)).map((each) => [each.before, each.after]);
  expect(told).toEqual([
    ['drop', 'accept'],
    ['drop', 'drop'],
    ['accept', 'accept'],
    ['drop', 'drop'],
  ]);
});

test('a ruleset that does not load is told', async () => {
  await expect(replay(injector, ruleset(''), ruleset('nonsense'), [to(22, 'eth0')])).rejects.toThrow(
    /does not load[\s\S]*nonsense/,
  );
});
