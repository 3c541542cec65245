import { describe, expect, it } from 'vitest';
import { benchRules, moatPolicy, ufwRules } from '../../bench/rules.ts';
import { ratio, summary } from '../../bench/statistics.ts';

describe('the figures of a benchmark', () => {
  it('are the middle and the ends', () => {
    expect(summary([9, 1, 2])).toEqual({ median: 2, min: 1, max: 9 });
    expect(summary([4, 1, 2, 9])).toEqual({ median: 3, min: 1, max: 9 });
    expect(() => summary([])).toThrow('at least one');
  });

  it('compare what was measured in the same round', () => {
    expect(ratio([1, 20, 6], [2, 10, 2])).toEqual({ median: 2, min: 0.5, max: 3 });
    expect(() => ratio([1], [])).toThrow('as many rounds');
  });
});

it('the same rules for both: one sentence each, as a line and as a tuple with its iptables lines', () => {
  const rules = benchRules(5);
  expect(moatPolicy(rules).split('\n').slice(4)).toEqual([
    'deny from 10.0.0.0',
    'allow from 10.0.0.1 to any port 1001 proto tcp',
    'deny from 10.64.0.0/30',
    'allow from 10.64.0.0/30 to any port 1003 proto udp',
    'allow 9',
    '',
  ]);
  const v4 = ufwRules(rules, 'v4', '*filter\nCOMMIT\n');
  expect(v4).toContain(
    '### tuple ### allow tcp 1001 0.0.0.0/0 any 10.0.0.1 in\n-A ufw-user-input -p tcp --dport 1001 -s 10.0.0.1 -j ACCEPT\n',
  );
  expect(v4).toContain(
    '### tuple ### deny any any 0.0.0.0/0 any 10.0.0.0 in\n-A ufw-user-input -s 10.0.0.0 -j DROP\n',
  );
  const v6 = ufwRules(rules, 'v6', '*filter\nCOMMIT\n');
  expect(v6.match(/^-A .*/gm)).toEqual([
    '-A ufw6-user-input -p tcp --dport 9 -j ACCEPT',
    '-A ufw6-user-input -p udp --dport 9 -j ACCEPT',
  ]);
  expect(benchRules(0)).toEqual([]);
  expect(new Set(moatPolicy(benchRules(10_000)).split('\n')).size).toBe(10_000 + 4 + 1);
});
