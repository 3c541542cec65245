import { expect, test } from 'vitest';
import { addRule } from './edit.ts';
import { parsePolicyFile } from './file.ts';
import { liveAt } from './live.ts';
import { narrows } from './narrow.ts';
import { formatSentence } from './print.ts';
import { parseSentence } from './sentence.ts';
import { parseServices } from './services.ts';
import { splitWords } from './words.ts';

const SERVICES = parseServices('');
const NOW = Date.UTC(2026, 0, 1) / 1000;

function file(text: string) {
  const parsed = parsePolicyFile(text, SERVICES);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.file;
}

function command(text: string) {
  const parsed = parseSentence(splitWords(text, 1).words, 1, SERVICES, NOW);
  if (!parsed.ok || parsed.sentence.kind !== 'rule') throw new Error(text);
  return parsed.sentence;
}

test('`for` of a command becomes a moment in the file, which reads back as it is', () => {
  const rule = command("allow 80/tcp for 2h comment 'x'");
  expect(rule.until).toBe(NOW + 7200);
  expect(formatSentence(rule)).toBe("allow 80/tcp until 2026-01-01T02:00Z comment 'x'");
  const { text } = addRule(file(''), rule);
  expect(file(text).policy.rules).toEqual([rule]);
});

test('said again with another end, or without one, it is the same rule, changed in place', () => {
  const first = addRule(file('allow 22\n'), command('allow 80/tcp for 2h'));
  const longer = addRule(file(first.text), command('allow 80/tcp for 3h'));
  expect([longer.outcome, longer.rules]).toEqual(['updated', [2]]);
  expect(addRule(file(longer.text), command('allow 80/tcp')).text).toBe('allow 22\nallow 80/tcp\n');
});

test('what has ended is no part of the policy, from that second on', () => {
  const { policy } = file(
    'allow 22\nallow 80 until 2026-01-01T00:00Z\nallow 81 until 2026-01-01T00:00:01Z\n',
  );
  expect(liveAt(policy, NOW).rules.map(formatSentence)).toEqual([
    'allow 22',
    'allow 81 until 2026-01-01T00:00:01Z',
  ]);
  expect(liveAt(policy, NOW + 1).rules).toHaveLength(1);
  const lasting = file('allow 22\n').policy;
  expect(liveAt(lasting, NOW)).toBe(lasting);
});

const narrowing = (before: string, after: string) =>
  narrows(file(before).policy, file(after).policy).length > 0;
const FEB = 'until 2026-02-01T00:00Z';
const MARCH = 'until 2026-03-01T00:00Z';

test('an end that comes, or comes earlier, takes something away; a later one does not', () => {
  expect(narrowing('allow 80\n', `allow 80 ${FEB}\n`)).toBe(true);
  expect(narrowing(`allow 80 ${MARCH}\n`, `allow 80 ${FEB}\n`)).toBe(true);
  expect(narrowing(`allow 80 ${FEB}\n`, `allow 80 ${MARCH}\n`)).toBe(false);
  expect(narrowing(`allow 80 ${FEB}\n`, 'allow 80\n')).toBe(false);
  expect(narrowing('allow 80/tcp\nallow 81\n', `allow 80 ${FEB}\nallow 81\n`)).toBe(true);
  // After the deny has ended the allow lets in; a deny that stays takes that away.
  expect(narrowing(`deny 80 ${FEB}\nallow 80/tcp\n`, 'deny 80\nallow 80/tcp\n')).toBe(true);
});
