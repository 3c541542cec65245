// Compiled tables are proved to mean their policies; a table that is not the policy's is told apart with a packet.
import { parsePrefix } from '@moat/netfilter';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FACTS } from '../../../../test/random-packets.ts';
import { policies, policyText, WIDE_WORLD } from '../../../../test/random-policy.ts';
import { runs } from '../../../../test/runs.ts';
import { compileTable } from '../compile/table.ts';
import { parsePolicyFile } from '../policy/file.ts';
import { type HostAnswers, NO_ANSWERS } from '../policy/host-names.ts';
import type { Policy } from '../policy/model.ts';
import { parseServices } from '../policy/services.ts';
import { type Difference, provePolicy } from './prove-policy.ts';

const SERVICES = parseServices('');
const [NO_FACTS, CONTAINERS] = FACTS;

function parsed(text: string, answers: HostAnswers = NO_ANSWERS): Policy {
  const result = parsePolicyFile(text, SERVICES, answers);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.file.policy;
}

test('what compile makes of random policies is what they mean', () => {
  fc.assert(
    fc.property(policies(WIDE_WORLD, 10), fc.constantFrom(...FACTS), (random, facts) => {
      const policy = parsed(policyText(random));
      const proof = provePolicy(policy, facts, compileTable(policy, facts));
      if (proof.kind !== 'proved')
        throw new Error(
          `${JSON.stringify(proof, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}\n${policyText(random)}`,
        );
    }),
    { numRuns: runs(50), endOnFailure: true },
  );
});

test('a name means what it was answered with, as if that were written; unanswered it is nobody', () => {
  const prefix = (text: string) => {
    const result = parsePrefix(text);
    if ('problem' in result) throw new Error(text);
    return result.prefix;
  };
  fc.assert(
    fc.property(policies(WIDE_WORLD, 8), fc.constantFrom(...FACTS), (random, facts) => {
      const text = policyText(random);
      const answers = new Map<string, ReturnType<typeof prefix>[]>();
      const named = text.replace(/^group (one|two) (\S+)(.*)$/gm, (_, group, first, rest) => {
        const [written, behind] = group === 'one' ? ['', `${first}${rest}`] : [first, rest];
        answers.set(`${group}.example`, behind.trim().split(' ').filter(Boolean).map(prefix));
        return `group ${group} ${group}.example ${written} unknown.example`;
      });
      const table = compileTable(parsed(named, answers), facts);
      expect(provePolicy(parsed(text), facts, table).kind).toBe('proved');
      expect(provePolicy(parsed(named, answers), facts, table).kind).toBe('proved');
      const unanswered = parsed(named);
      expect(provePolicy(unanswered, facts, compileTable(unanswered, facts)).kind).toBe('proved');
    }),
    { numRuns: runs(40), endOnFailure: true },
  );
});

/** How the table of one policy differs from the meaning of another. */
function difference(meant: string, compiled: string): Omit<Difference, 'witness'> | undefined {
  const proof = provePolicy(parsed(meant), CONTAINERS, compileTable(parsed(compiled), CONTAINERS));
  if (proof.kind !== 'different') return undefined;
  const { witness, ...rest } = proof.difference;
  expect(witness['src']).toBeDefined();
  return rest;
}

test('one sentence more, or another verdict, is found', () => {
  expect(difference('allow 22\n', 'allow 22\nallow 80/tcp\n')).toMatchObject({
    family: 'ipv4',
    traffic: 'incoming',
    road: 'to a process',
    text: expect.stringContaining('tcp to port 80'),
    policy: ['drop'],
    table: ['accept'],
  });
  expect(difference('limit 22/tcp\n', 'allow 22/tcp\n')).toMatchObject({
    policy: ['accept', 'reject'],
    table: ['accept'],
  });
  expect(difference('default deny outgoing\n', 'default reject outgoing\n')).toMatchObject({
    traffic: 'outgoing',
    policy: ['drop'],
    table: ['reject'],
  });
  expect(difference('default allow routed\n', '')).toMatchObject({ traffic: 'routed' });
  expect(difference('deny from 2001:db8::1 to any port 80\nallow 80\n', 'allow 80\n')).toMatchObject({
    family: 'ipv6',
    text: expect.stringContaining('from 2001:db8::1 to port 80'),
  });
  expect(difference('allow 22\nallow 22/tcp\n', 'allow 22\n')).toBeUndefined();
});

test('who leads to containers makes a difference', () => {
  const policy = parsed('default deny outgoing\ndefault allow routed\n');
  const proof = provePolicy(policy, CONTAINERS, compileTable(policy, NO_FACTS));
  expect(proof).toMatchObject({
    kind: 'different',
    difference: { traffic: expect.stringMatching(/outgoing|routed/) },
  });
});
