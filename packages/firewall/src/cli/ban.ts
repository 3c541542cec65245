// moat ban ADDRESS [for TIME] [because TEXT], moat ban -, moat unban ADDRESS …, moat bans
import { formatPrefix, type Prefix, renderValue } from '@moat/netfilter';
import { type BanRequest, type BanResult, changeBans, type Refused } from '../apply/ban.ts';
import { bansOf, loadedBans, strangers } from '../apply/ban-store.ts';
import { listTable } from '../apply/listed.ts';
import { type Ban, pieceOf } from '../compile/ban.ts';
import { readBanLines } from '../kernel/ban-file.ts';
import { type BanWords, parseBan } from '../policy/ban.ts';
import { formatProblems, type Problem, printable } from '../policy/problem.ts';
import { formatDuration, formatMoment } from '../policy/time.ts';
import { splitWords, wordsOfArguments } from '../policy/words.ts';
import { table } from '../report/table.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { type Answer, failure, say } from './say.ts';
import { mistake } from './words.ts';

export async function banVerb(context: Context, args: readonly string[]): Promise<void> {
  const now = seconds();
  if (args.length === 2 && args[1] === '-') return await banList(context, now);
  const { words, problems, text } = wordsOfArguments(args);
  if (problems.length > 0) return say(context, mistake(problems, text));
  const parsed = parseBan(words.slice(1), 1, now);
  if (!parsed.ok) return say(context, mistake(parsed.problems, text));
  await tell(context, { ban: [banOf(parsed.words, now)] });
}

/** One ban a line from standard input, all of them in one transaction. */
async function banList(context: Context, now: number): Promise<void> {
  let text = '';
  for await (const chunk of process.stdin) text += String(chunk);
  const bans: Ban[] = [];
  const problems: Problem[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const { words, problems: bad } = splitWords(line, index + 1);
    problems.push(...bad);
    if (bad.length > 0 || words.length === 0) continue;
    const parsed = parseBan(words, index + 1, now);
    if (parsed.ok) bans.push(banOf(parsed.words, now));
    else problems.push(...parsed.problems);
  }
  if (problems.length > 0) {
    const source = { name: 'standard input', text };
    const shown = formatProblems(problems.slice(0, MOST_PROBLEMS), source);
    const more = problems.length > MOST_PROBLEMS ? `\n(and ${problems.length - MOST_PROBLEMS} more)` : '';
    const told = `${shown}${more}\nNothing was changed.`;
    return say(context, { code: ExitCode.mistake, text: told, json: { error: 'sentence', problems } });
  }
  await tell(context, { ban: bans, leaveOut: true });
}

const MOST_PROBLEMS = 20;

export async function unbanVerb(context: Context, args: readonly string[]): Promise<void> {
  const { words, text } = wordsOfArguments(args);
  const prefixes: Prefix[] = [];
  const problems: Problem[] = [];
  for (const word of words.slice(1)) {
    const parsed = parseBan([word], 1, seconds());
    if (parsed.ok) prefixes.push(parsed.words.prefix);
    else problems.push(...parsed.problems);
  }
  if (words.length === 1) {
    const missing = parseBan([], 1, seconds());
    if (!missing.ok) problems.push(...missing.problems.map((each) => ({ ...each, column: text.length + 2 })));
  }
  if (problems.length > 0) return say(context, mistake(problems, text));
  await tell(context, { unban: prefixes });
}

function banOf({ prefix, until, because }: BanWords, now: number): Ban {
  return { prefix, until, because, since: now };
}

async function tell(
  context: Context,
  what: Partial<Pick<BanRequest, 'ban' | 'unban' | 'leaveOut'>>,
): Promise<void> {
  const { options, paths, command } = context;
  const { allowLockout, dryRun } = options;
  const request = { ban: [], unban: [], leaveOut: false, ...what, command, allowLockout, dryRun };
  const answer = answerFor(await changeBans(paths, request), dryRun);
  if (!dryRun || answer.code !== ExitCode.done) return say(context, answer);
  const text = `Nothing is changed (--dry-run). This would be said:\n${answer.text}`;
  say(context, { ...answer, text, json: { ...answer.json, dryRun: true } });
}

function answerFor(result: BanResult, dryRun: boolean): Answer {
  switch (result.kind) {
    case 'busy':
      return failure(ExitCode.busy, 'busy', result.message);
    case 'failed':
      return failure(ExitCode.failed, 'failed', result.message);
    case 'refused': {
      const message = `${result.refused.map(refusedText).join('\n')}; nothing was changed`;
      return failure(ExitCode.refused, 'protected', message, { refused: result.refused.map(refusedJson) });
    }
    case 'done':
      return doneAnswer(result, dryRun);
    default:
      throw new Error(result satisfies never);
  }
}

function refusedText({ prefix, why }: Refused): string {
  return `${formatPrefix(prefix)} ${why}`;
}

function refusedJson({ prefix, why }: Refused): object {
  return { address: formatPrefix(prefix), why };
}

const MOST_NAMED = 5;

function doneAnswer(result: Extract<BanResult, { kind: 'done' }>, dryRun: boolean): Answer {
  const { banned, covered, unbanned, notBanned, leftOut, active, ended, notes } = result;
  const lines = [
    ...(banned.length > MOST_NAMED
      ? [`Banned ${banned.length} networks and addresses`]
      : banned.map((ban) => `Banned ${formatPrefix(ban.prefix)}${untilText(ban)}`)),
    ...(covered.length > MOST_NAMED
      ? [`${covered.length} are banned for longer already, with the networks around them`]
      : covered.map(
          ({ prefix }) => `${formatPrefix(prefix)} is banned for longer already, with a network around it`,
        )),
    ...unbanned.map((prefix) => `Unbanned ${formatPrefix(prefix)}`),
    ...notBanned.map((prefix) => `${formatPrefix(prefix)} is not banned by itself (moat bans)`),
    ...(ended > 0 ? [`Ended ${ended} ${ended === 1 ? 'flow' : 'flows'} that ran`] : []),
    ...leftOut.map((each) => `note: left out: ${refusedText(each)}`),
    ...(active ? [] : ['note: moat is not active: bans are in force with `moat enable`']),
    ...notes.map((note) => `note: ${note}`),
  ];
  const code = unbanned.length === 0 && notBanned.length > 0 ? ExitCode.mistake : ExitCode.done;
  return {
    code,
    text: lines.length === 0 ? 'Nothing to do' : lines.join('\n'),
    json: {
      changed: !dryRun && (banned.length > 0 || unbanned.length > 0),
      ...{ active, ended, notes },
      banned: banned.length > 1000 ? banned.length : banned.map(banJson),
      covered: covered.length > 1000 ? covered.length : covered.map(banJson),
      unbanned: unbanned.map(formatPrefix),
      notBanned: notBanned.map(formatPrefix),
      leftOut: leftOut.map(refusedJson),
    },
  };
}

function banJson({ prefix, until, because }: Ban): object {
  return {
    address: formatPrefix(prefix),
    until: until === undefined ? null : formatMoment(until),
    because: because ?? null,
  };
}

function untilText({ until }: Ban): string {
  return until === undefined ? '' : ` until ${formatMoment(until)}`;
}

interface Row {
  readonly address: string;
  /** Seconds; null: for ever. */
  readonly left: number | null;
  readonly since: string | null;
  readonly because: string | null;
}

export async function bansVerb(context: Context): Promise<void> {
  const now = seconds();
  const lines = readBanLines(context.paths);
  const loaded = loadedBans(await listTable());
  const bans = bansOf(lines, now);
  const rows: Row[] = bans.map(({ prefix, until, since, because }) => ({
    address: formatPrefix(prefix),
    left: until === undefined ? null : until - now,
    since: formatMoment(since),
    because: because ?? null,
  }));
  const others = strangers(loaded ?? [], lines).map(({ family, interval, left }) => ({
    address: renderValue(pieceOf(family, interval), false),
    left: left ?? null,
    since: null,
    because: null,
  }));
  const all = [...rows, ...others];
  const notes = [
    ...(loaded === undefined && all.length > 0
      ? ['note: moat is not active: nothing of this is in force']
      : []),
    ...(others.length > 0
      ? [`note: ${others.length} put there by another program: not kept over a reboot`]
      : []),
  ];
  const text = all.map(({ address, left, since, because }) => [
    address,
    left === null ? 'for ever' : formatDuration(left),
    since ?? '',
    printable(because ?? ''),
  ]);
  say(context, {
    code: ExitCode.done,
    text: [
      all.length === 0 ? 'Nobody is banned.' : table([['BANNED', 'TIME LEFT', 'SINCE', 'BECAUSE'], ...text]),
      ...notes,
    ].join('\n'),
    json: { active: loaded !== undefined, bans: all },
  });
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}
