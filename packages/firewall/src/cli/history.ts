// moat history, moat diff N M, and what `moat show generation N` prints
import { currentGeneration, fateOf } from '../apply/generation.ts';
import { type Generation, type Generations, readGenerations } from '../kernel/generations.ts';
import { readAppliedPolicy } from '../kernel/state.ts';
import { policyDifference } from '../policy/difference.ts';
import { printable } from '../policy/problem.ts';
import { table } from '../report/table.ts';
import type { Context } from './context.ts';
import { diffAnswer } from './diff-answer.ts';
import { ExitCode } from './exit-code.ts';
import { type Answer, failure, say } from './say.ts';
import { policySide } from './side.ts';
import { tooMuch } from './usage.ts';

export async function historyVerb(context: Context): Promise<void> {
  const generations = readGenerations(context.paths);
  const current = inForce(context, generations);
  const rows = generations.whole.toReversed().map((generation) => {
    const fate = fateText(context, generations, generation);
    const mark = generation.number === current?.number ? '*' : '';
    const { number, when, why, summary } = generation;
    return [`${mark}${number}`, timeText(when), whoText(generation), fate, printable(why), brief(summary)];
  });
  const lines =
    rows.length === 0
      ? ['Nothing was applied yet.']
      : [table([['NO', 'WHEN', 'WHO', 'FATE', 'WHY', 'WHAT'], ...rows])];
  say(context, {
    code: ExitCode.done,
    text: [...lines, ...brokenNotes(generations)].join('\n'),
    json: {
      current: current?.number ?? null,
      generations: generations.whole.map((each) => generationJson(context, generations, each)),
      broken: generations.broken,
    },
  });
}

/** `moat show generation N` */
export function showGeneration(context: Context, words: readonly string[]): Answer {
  const generations = readGenerations(context.paths);
  const found = generationNumbered(generations, words[2]);
  if (words.length > 3) return tooMuch(words, 3);
  if (!('number' in found)) return found;
  const fate = fateText(context, generations, found);
  const text = [
    `Generation ${found.number}, ${fate}`,
    `when: ${timeText(found.when)}`,
    `who:  ${whoText(found)}${found.who.loginUid === undefined ? '' : ` (login uid ${found.who.loginUid})`}`,
    `why:  ${printable(found.why)}`,
    ...(found.restores === null ? [] : [`brings back: ${found.restores}`]),
    ...(found.narrowing.length === 0 ? [] : ['takes away:', ...found.narrowing.map((line) => `  ${line}`)]),
    'what:',
    ...(found.summary.length === 0 ? ['  the same sentences'] : found.summary.map((line) => `  ${line}`)),
    '',
    'policy:',
    ...found.policy
      .trimEnd()
      .split('\n')
      .map((line) => `  ${printable(line)}`),
  ].join('\n');
  const { policy, rules } = found;
  return {
    code: ExitCode.done,
    text,
    json: { ...generationJson(context, generations, found), policy, rules },
  };
}

/** `moat diff N M` between two generations: their sentences, and what these mean for packets. */
export function generationsDiff(context: Context, words: readonly string[]): Answer {
  const generations = readGenerations(context.paths);
  const first = generationNumbered(generations, words[1]);
  if (!('number' in first)) return first;
  // Without a second number: what has become of it since.
  const second =
    words[2] === undefined
      ? { policy: readAppliedPolicy(context.paths) ?? '', number: 'now' }
      : generationNumbered(generations, words[2]);
  if (!('number' in second)) return second;
  const lines = policyDifference(first.policy, second.policy, context.services);
  const sentences = lines.length === 0 ? 'They have the same sentences' : lines.map(printable).join('\n');
  const [a, b] = [first, second].map(({ number, policy }) =>
    policySide(`generation ${number}`, policy, context),
  );
  const told = lines.length > 0 && a?.ok && b?.ok ? diffAnswer(a.side, b.side) : undefined;
  return {
    code: ExitCode.done,
    text: told === undefined ? sentences : `${sentences}\n\n${told.text}`,
    json: { ...told?.json, from: first.number, to: second.number, difference: lines },
  };
}

/** The generation that a word names, or the answer that says why there is none. */
export function generationNumbered(generations: Generations, word: string | undefined): Generation | Answer {
  const found = generations.whole.find(({ number }) => String(number) === word);
  if (found !== undefined) return found;
  const broken = generations.broken.find(({ file }) => file.endsWith(`/${word}`));
  const why =
    broken !== undefined
      ? `${broken.file} cannot be used: ${broken.reason}`
      : word === undefined
        ? 'the number of a generation is missing'
        : `there is no generation ${printable(word)}`;
  return failure(ExitCode.mistake, 'no-generation', `${why}; the numbers are those of \`moat history\``);
}

/** What to tell of files that were skipped. */
export function brokenNotes({ broken }: Generations): string[] {
  return broken.map(({ file, reason }) => `note: ${file} is skipped: ${reason}`);
}

/** Nothing is in force where moat is not active; what a killed command left is not known. */
function inForce({ paths }: Context, generations: Generations): Generation | undefined {
  const current = currentGeneration(paths, generations);
  return current?.policy === readAppliedPolicy(paths) ? current : undefined;
}

function generationJson({ paths }: Context, generations: Generations, generation: Generation): object {
  const { policy: _policy, rules: _rules, change: _change, ...rest } = generation;
  return {
    ...rest,
    fate: fateOf(paths, generations, generation),
    wentBack: generations.back.get(generation.change ?? '') ?? null,
  };
}

/** `went back (session ended)`; generations of older versions do not know why. */
function fateText({ paths }: Context, generations: Generations, generation: Generation): string {
  const fate = fateOf(paths, generations, generation);
  const why = generations.back.get(generation.change ?? '');
  return fate === 'went back' && why !== undefined ? `${fate} (${printable(why)})` : fate;
}

function timeText(when: string): string {
  return when.replace('T', ' ').replace(/\.\d+Z$/, 'Z');
}

function whoText({ who }: Generation): string {
  const place = [who.tty, who.from].filter((part) => part !== undefined).join(' ');
  return place === '' ? who.user : `${who.user} ${place}`;
}

function brief(summary: readonly string[]): string {
  const [first = 'the same sentences', ...more] = summary;
  return more.length === 0 ? printable(first) : `${printable(first)} (and ${more.length} more)`;
}
