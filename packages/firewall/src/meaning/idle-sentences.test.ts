import { expect, test } from 'vitest';
import { NO_LINKS } from '../compile/container-links.ts';
import { parsePolicyFile } from '../policy/file.ts';
import { parseServices } from '../policy/services.ts';
import { idleSentences } from './idle-sentences.ts';

/** `3 said 1,2`. */
function idle(text: string): string[] {
  const parsed = parsePolicyFile(
    `default deny incoming\ndefault allow outgoing\n${text}\n`,
    parseServices(''),
  );
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return idleSentences(parsed.file.policy, NO_LINKS).map(({ number, kind, by }) =>
    `${number} ${kind} ${by}`.trim(),
  );
}

test.each<[string, string, string[]]>([
  ['each says something', 'allow 22/tcp\nallow 80/tcp', []],
  ['said before, wider', 'allow 20:25/tcp\nallow 22/tcp', ['2 said 1']],
  // Each of them could go, though not all.
  [
    'said before by two',
    'allow 22/tcp\nallow 22/udp\nallow 22',
    ['1 no difference', '2 no difference', '3 said 1,2'],
  ],
  [
    'contradicted',
    'deny from 192.0.2.0/24\nallow from 192.0.2.7 to any port 22 proto tcp',
    ['2 contradicted 1'],
  ],
  ['an exception before the rule', 'deny from 192.0.2.7 to any port 22\nallow 22', []],
  ['what the default does', 'allow 22/tcp\ndeny 23/tcp', ['2 no difference']],
  ['what a later sentence does', 'allow from 10.0.0.0/8 to any port 22\nallow 22', ['1 no difference']],
  ['other directions', 'allow out 22/tcp\nallow 22/tcp', ['1 no difference']],
  [
    'one family is said before, the other not',
    'allow from 0.0.0.0/0 to any port 22\nallow 22',
    ['1 no difference'],
  ],
  ['a rate is not the same as an allow', 'limit 22/tcp\nallow 22/tcp', ['2 contradicted 1']],
])('%s', (_, text, expected) => {
  expect(idle(text)).toEqual(expected);
});
