import { parseAddress } from '@moat/netfilter';
import { expect, test } from 'vitest';
import { parsePolicyFile } from './file.ts';
import { panicPolicyText, policyBeforePanic } from './panic.ts';
import { formatSentence } from './print.ts';
import { parseServices } from './services.ts';

const insider = (text: string, port: number) => ({ from: parseAddress(text)!, port });

test('the policy of a panic lets the insiders in, each once, and nobody else', () => {
  const insiders = [insider('198.51.100.4', 22), insider('2001:db8::4', 2222), insider('198.51.100.4', 22)];
  const text = panicPolicyText(insiders, 'policy-20260101T000000Z');
  const parsed = parsePolicyFile(text, parseServices(''));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  expect(parsed.file.policy.defaults).toEqual({ incoming: 'deny', outgoing: 'deny', routed: 'deny' });
  expect(parsed.file.policy.rules.map(formatSentence)).toEqual([
    'allow from 198.51.100.4 to any port 22 proto tcp',
    'allow from 2001:db8::4 to any port 2222 proto tcp',
  ]);
  expect(policyBeforePanic(text)).toBe('policy-20260101T000000Z');
  // Also where somebody has said more since.
  expect(policyBeforePanic(`${text}allow 80\n`)).toBe('policy-20260101T000000Z');
});

test('other policies are no panic', () => {
  for (const text of ['', 'allow 22\n', '# moat panic\n', 'allow 22\n# moat panic policy-1\n'])
    expect(policyBeforePanic(text)).toBeUndefined();
});
