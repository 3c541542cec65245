// One of two things that are compared: this machine, a snapshot, a dump, a policy file.
import type { Host, IpFamily, Ruleset, RulesetProblem, Snapshot } from '@moat/netfilter';
import { knownAnswers } from '../apply/name-answers.ts';
import { withTable } from '../apply/whole-ruleset.ts';
import { type ContainerLinks, NO_LINKS } from '../compile/container-links.ts';
import { compileTable } from '../compile/table.ts';
import { readGenerations } from '../kernel/generations.ts';
import { readText } from '../kernel/text-file.ts';
import { parsePolicyFile } from '../policy/file.ts';
import type { Policy } from '../policy/model.ts';
import { formatProblems } from '../policy/problem.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { type Input, readInputText, readLive } from './input.ts';
import { type Answer, failure } from './say.ts';

export type Side =
  | ({ readonly kind: 'rules' } & Input)
  /** Means nothing alone where other programs have rules: see `rulesetsOf`. */
  | { readonly kind: 'policy'; readonly source: string; readonly policy: Policy };

export type SideResult =
  | { readonly ok: true; readonly side: Side }
  | { readonly ok: false; readonly answer: Answer };

/**
 * `live`, the number of a generation, or a file of any kind; `-` is stdin. Files that are called like that are `./live`.
 */
export async function readSide(context: Context, word: string): Promise<SideResult> {
  if (word === 'live') {
    const read = await readLive();
    return read.ok ? { ok: true, side: { kind: 'rules', ...read.input } } : read;
  }
  if (/^\d+$/.test(word)) {
    const found = readGenerations(context.paths).whole.find(({ number }) => String(number) === word);
    if (found !== undefined) return policySide(`generation ${word}`, found.policy, context);
    return mistake(`there is no generation ${word}; the numbers are those of \`moat history\``);
  }
  const told = readText(word);
  if (!told.ok) return mistake(`${word}: ${told.why}`);
  const read = await readInputText(word, told.text);
  if (read?.ok) return { ok: true, side: { kind: 'rules', ...read.input } };
  if (read !== undefined) return read;
  return policySide(word === '-' ? 'stdin' : word, told.text, context);
}

/** A policy by its text; names in it stand for what they were last answered with on this machine. */
export function policySide(
  source: string,
  text: string,
  { paths, services }: Pick<Context, 'paths' | 'services'>,
): SideResult {
  const parsed = parsePolicyFile(text, services, knownAnswers(paths));
  if (parsed.ok) return { ok: true, side: { kind: 'policy', source, policy: parsed.file.policy } };
  const { problems } = parsed;
  const message = [
    formatProblems(problems.slice(0, 3), { name: source, text }),
    'Expected a snapshot, a ruleset (what iptables-save, nft -j list ruleset or nft list ruleset print), a policy file,',
    'the number of a generation, or the word `live`.',
  ].join('\n');
  return {
    ok: false,
    answer: { code: ExitCode.mistake, text: message, json: { error: 'input', file: source, problems } },
  };
}

function mistake(message: string): SideResult {
  return { ok: false, answer: failure(ExitCode.mistake, 'input', message) };
}

export interface ComparedSides {
  readonly before: Ruleset;
  readonly after: Ruleset;
  readonly host: Host | undefined;
  /** Those about which both sides say something. */
  readonly families: readonly IpFamily[];
  readonly problems: readonly RulesetProblem[];
}

/** A policy stands in the place of moat's table among the rules of the other side; two policies each stand alone. */
export function rulesetsOf(a: Side, b: Side): ComparedSides {
  const rules = [a, b].filter((side) => side.kind === 'rules');
  const [first] = rules;
  const host =
    a.kind === 'rules' && a.host !== undefined ? a.host : rules.findLast((side) => side.host)?.host;
  const links = linksOf(first?.snapshot);
  const ruleset = (side: Side): Ruleset =>
    side.kind === 'rules'
      ? side.ruleset
      : withTable(first?.ruleset ?? { tables: [] }, compileTable(side.policy, links));
  return {
    before: ruleset(a),
    after: ruleset(b),
    host,
    families: (['ipv4', 'ipv6'] as const).filter((family) => rules.every((side) => tellsOf(side, family))),
    problems: rules.flatMap(({ problems }) => problems),
  };
}

function linksOf(snapshot: Snapshot | undefined): ContainerLinks {
  if (snapshot === undefined) return NO_LINKS;
  const containers = (snapshot.networks ?? []).map(({ bridge }) => bridge);
  const links = snapshot.links ?? [];
  const others = links
    .map(({ name }) => name)
    .filter((name) => /^br-/.test(name) && !/^br-[0-9a-f]{12}$/.test(name) && !containers.includes(name));
  const bridges = links.filter(({ kind }) => kind === 'bridge').map(({ name }) => name);
  return { containers, others, bridges };
}

/** What iptables-save printed is about one family; of the other it says nothing. */
function tellsOf({ ruleset: { tables }, host }: Input, family: IpFamily): boolean {
  if (host !== undefined || tables.length === 0) return true;
  if (tables.some(({ source }) => source === 'nft' || source === 'iptables-nft' || source === undefined))
    return true;
  return tables.some((table) => table.family === (family === 'ipv4' ? 'ip' : 'ip6'));
}
