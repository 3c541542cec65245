// moat check: rules and sentences that never decide anything, and ports that are open in one family only
import { containerLinks } from '../apply/container-links.ts';
import { readDocker } from '../kernel/docker.ts';
import { type IdleSentence, idleSentences } from '../meaning/idle-sentences.ts';
import { formatSentence } from '../policy/print.ts';
import { type Check, checkRules, type OneFamilyPort, type RuleFinding } from '../report/check.ts';
import { tooLargeText } from '../report/difference-text.ts';
import { toldText } from '../report/rule-words.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { readInput } from './input.ts';
import { type Answer, colour, say } from './say.ts';
import { readPolicy } from './show.ts';

/** Ends with 3 where something is found, as `moat test` does. */
export async function checkVerb(context: Context, { all }: { readonly all: boolean }): Promise<void> {
  const read = await readInput(context);
  if (!read.ok) return say(context, read.answer);
  const { input } = read;
  const check = checkRules(input, { all });
  const { snapshot, rulesets } = context.options;
  const isLive = snapshot === undefined && rulesets.length === 0;
  const sentences = isLive ? await sentencesOf(context) : [];
  if (!Array.isArray(sentences)) return say(context, sentences as Answer);
  return say(
    context,
    answerOf(
      check,
      sentences,
      input.problems.map(({ message }) => message),
    ),
  );
}

async function sentencesOf(context: Context): Promise<readonly IdleSentence[] | Answer> {
  const policy = readPolicy(context);
  if (!policy.ok) return policy.answer;
  return idleSentences(policy.policy, await containerLinks(await readDocker()));
}

function answerOf(check: Check, sentences: readonly IdleSentence[], notes: readonly string[]): Answer {
  const { rules, scaffolding, oneFamily, tooLarge } = check;
  const count = rules.length + sentences.length + oneFamily.length;
  const lines = [
    ...section('Sentences of the policy', sentences.flatMap(sentenceLines)),
    ...section('Rules', rules.flatMap(ruleLines)),
    ...section('IPv4 and IPv6', oneFamily.map(portLine)),
    ...(tooLarge.length > 0 ? [tooLargeText(tooLarge)] : []),
    ...(scaffolding > 0
      ? [`${scaffolding} more that programs keep ready without using them, or moat itself: --all shows them`]
      : []),
    ...notes.map((note) => `note: ${note}`),
    count === 0 ? 'Nothing is odd' : `${count} ${count === 1 ? 'thing is' : 'things are'} odd`,
  ];
  return {
    code: count === 0 ? ExitCode.done : ExitCode.refused,
    text: lines.join('\n'),
    json: {
      sentences: sentences.map(({ number, rule, kind, by }) => ({
        number,
        sentence: formatSentence(rule),
        kind,
        by,
      })),
      rules,
      oneFamily,
      hiddenFindings: scaffolding,
      notChecked: tooLarge,
      notes,
    },
  };
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [colour.heading(title), ...lines.map((line) => `  ${line}`), ''];
}

function sentenceLines({ number, rule, kind, by }: IdleSentence): string[] {
  const numbers = `${by.length === 1 ? 'rule' : 'rules'} ${by.join(', ')}`;
  const why = {
    nobody: 'is about nobody: a group in it has no address',
    said: `says nothing that ${numbers} ${by.length === 1 ? 'does' : 'do'} not say before it`,
    contradicted:
      by.length === 1
        ? `never decides: ${numbers} before it says otherwise`
        : `never decides: ${numbers} before it decide all that it is about, not all of them as it does`,
    'no difference': 'changes nothing: without it later rules or the default decide the same',
  }[kind];
  return [`[${number}] ${formatSentence(rule)}`, `    ${why}`];
}

function ruleLines({ kind, rule, by }: RuleFinding): string[] {
  const why = {
    contradiction: 'its conditions exclude each other: no packet fulfils them',
    hidden: 'never matches: all that it could match is decided before it by',
    'not reached': 'no packet that it is about comes to it',
    'no difference': 'changes nothing: what comes after it decides the same',
  }[kind];
  return [toldText(rule), `    ${why}`, ...by.slice(0, 5).map((each) => `      ${toldText(each)}`)];
}

function portLine({ proto, ports, openIn }: OneFamilyPort): string {
  const [open, closed] = openIn === 'ipv4' ? ['IPv4', 'IPv6'] : ['IPv6', 'IPv4'];
  return `${ports}/${proto} can be reached over ${open} and not over ${closed}`;
}
