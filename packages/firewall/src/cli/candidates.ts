// What may stand at the end of a command line that is being typed: out of commander's program and the words of sentences.
import type { Command } from 'commander';
import { ACTIONS, CLAUSES, LOG_LEVELS, PROTOCOLS, VERDICTS } from '../policy/keywords.ts';
import { TRAFFIC_WORDS } from '../policy/sentence.ts';
import { REPORTS } from './show.ts';
import { STATUS_FORMS } from './status.ts';

/** Names of this machine; asked for only where one of them may stand. */
export interface Names {
  readonly groups: () => readonly string[];
  readonly interfaces: () => readonly string[];
  /** All of them, or those alone that people mostly mean. */
  readonly services: (all: boolean) => readonly string[];
}

/** What stands after a verb, word by word. After these a rule goes on, if one has begun. */
const AFTER: Readonly<Record<string, readonly (readonly string[])[]>> = {
  insert: [[], ACTIONS],
  prepend: [ACTIONS],
  delete: [ACTIONS],
  expect: [[...VERDICTS, 'route']],
  default: [VERDICTS, TRAFFIC_WORDS],
  logging: [[...LOG_LEVELS, 'on']],
  ban: [[], ['for', 'until', 'because']],
  status: [STATUS_FORMS],
  show: [REPORTS],
};

/** By the word before alone, for what lies further back the shell may have cut into pieces (`2001:db8::7`). */
function ruleWords(before: string, current: string, names: Names): readonly string[] {
  switch (before) {
    case 'from':
    case 'to':
      return ['any', ...names.groups()];
    case 'port':
      return names.services(current !== '');
    case 'proto':
      return PROTOCOLS;
    case 'on':
      return names.interfaces();
    case 'in':
    case 'out':
      return ['on', ...CLAUSES, ...names.services(current !== '')];
    case 'route':
      return VERDICTS;
    case 'for':
    case 'until':
    case 'comment':
      return [];
    default:
      return isAction(before) ? ['in', 'out', ...CLAUSES, ...names.services(current !== '')] : CLAUSES;
  }
}

const isAction = (word: string): boolean => (ACTIONS as readonly string[]).includes(word);

function wordsAfter([verb, ...words]: readonly string[], current: string, names: Names): readonly string[] {
  const listed = verb === undefined ? undefined : AFTER[verb]?.[words.length];
  if (listed !== undefined) return listed;
  if (verb === 'group') return words.length === 0 ? names.groups() : [];
  const inRule = [verb ?? '', ...words].some((word) => word === 'route' || isAction(word));
  if (!inRule || verb === 'default') return [];
  return ruleWords(words.at(-1) ?? verb!, current, names);
}

/** The verbs that help lists. */
export function verbNames(moat: Command): string[] {
  return moat
    .createHelp()
    .visibleCommands(moat)
    .map((command) => command.name());
}

/** The shell puts a candidate into the line as it is: nothing of it may mean something there. */
const PLAIN = /^[A-Za-z0-9_.+,=%@-]+$/;

/**
 * Words that may stand in the place of the last of `line`, which begins after `moat` and whose last word may be empty or
 * half a word. None where a file, an address or a text stands.
 */
export function candidates(moat: Command, line: readonly string[], names: Names): string[] {
  const current = line.at(-1) ?? '';
  const before = line.slice(0, -1);
  const words: string[] = [];
  const optionsKnown = () =>
    [moat, ...moat.commands.filter((verb) => verb.name() === words[0])].flatMap((command) =>
      command.createHelp().visibleOptions(command),
    );
  let optionsEnded = false;
  for (let at = 0; at < before.length; at++) {
    const word = before[at]!;
    if (optionsEnded || !/^-./.test(word)) words.push(word.toLowerCase());
    else if (word === '--') optionsEnded = true;
    else if (
      optionsKnown().some((option) => option.required && (option.long === word || option.short === word))
    ) {
      // bash makes three words of `--confirm=0`.
      at += before[at + 1] === '=' ? 2 : 1;
      if (at >= before.length) return [];
    }
  }
  const fitting =
    current.startsWith('-') && !optionsEnded
      ? optionsKnown().map(({ long, short }) => long ?? short ?? '')
      : words.length === 0 || (words[0] === 'help' && words.length === 1)
        ? verbNames(moat)
        : wordsAfter(words, current, names);
  return [...new Set(fitting)].filter((word) => word.startsWith(current) && PLAIN.test(word));
}
