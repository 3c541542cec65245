// moat explain … --live: one packet through a copy of the rules, and what the kernel traced of it.
import { readNftJson, recogniseDump, type Table } from '@moat/netfilter';
import { type TrialRules, tryPacket } from '../kernel/rule-trial.ts';
import { readText } from '../kernel/text-file.ts';
import type { Explanation } from '../report/explain.ts';
import type { Question } from '../report/question.ts';
import { type Decision, decisionsOf, decisionText, readTraceText } from '../report/trace.ts';
import { planTrial } from '../report/trial-plan.ts';
import type { Context } from './context.ts';
import type { Input } from './input.ts';

export type Live =
  | {
      readonly kind: 'tried';
      readonly agrees: boolean;
      readonly kernel: readonly Decision[];
      readonly model: readonly Decision[];
    }
  | { readonly kind: 'not tried'; readonly why: string };

/** `question`: complete; the explanation that the trial is compared with is made for the packet that is really sent. */
export async function explainLive(
  context: Context,
  input: Input,
  question: Question,
  explain: (question: Question) => Explanation,
): Promise<{ readonly live: Live; readonly explanation: Explanation }> {
  const plan = planTrial(question, input.host);
  if ('why' in plan) return { live: { kind: 'not tried', why: plan.why }, explanation: explain(question) };
  const explanation = explain(plan.question);
  const rules = trialRules(context, input);
  if ('why' in rules) return { live: { kind: 'not tried', why: rules.why }, explanation };
  const tried = await tryPacket({ ...plan, rules });
  if (!tried.ok) return { live: { kind: 'not tried', why: tried.why }, explanation };
  const { trace, listed } = tried.result;
  const kernel = readTraceText(trace, readNftJson(JSON.parse(listed)));
  const model = decisionsOf(explanation.path);
  const agrees = explanation.verdict !== 'unknown' && JSON.stringify(kernel) === JSON.stringify(model);
  return { live: { kind: 'tried', agrees, kernel, model }, explanation };
}

export function liveText(live: Live, { verdict }: Explanation): string {
  if (live.kind === 'not tried') return `LIVE  not tried: ${live.why}`;
  const rows = live.kernel.map((step) => `      ${decisionText(step)}`);
  const trace = ['LIVE  what the kernel traced of one such packet in a copy of the rules:', ...rows];
  if (live.kernel.length === 0) trace.push('      nothing: the packet met no rule');
  if (live.agrees) return [...trace, '      the same as above'].join('\n');
  if (verdict === 'unknown') return [...trace, '      one of the ways that are possible'].join('\n');
  return [
    ...trace,
    'This is not what moat says, which is a mistake in moat. Its own:',
    ...live.model.map((step) => `      ${decisionText(step)}`),
  ].join('\n');
}

/** The texts that load the same rules again. */
function trialRules(context: Context, { snapshot, ruleset }: Input): TrialRules | { readonly why: string } {
  if (snapshot === undefined) return dumpTexts(context.options.rulesets);
  const { nft, nftText, iptables, ip6tables, iptablesLegacy, ip6tablesLegacy, ipset } = snapshot.rulesets;
  const foreign = (source: Table['source']): boolean => source !== undefined && source !== 'nft';
  const ofIptables = ruleset.tables.filter(({ source }) => foreign(source));
  if (iptablesLegacy !== undefined && iptables?.includes('\n-A ') === true)
    return { why: 'there are rules of iptables in both backends, and the kernel traces only those of nft' };
  const names = new Set(ofIptables.map(({ family, name }) => `${family} ${name}`));
  const v4 = joined(iptables, iptablesLegacy);
  const v6 = joined(ip6tables, ip6tablesLegacy);
  return {
    ...(nftText === undefined ? nftJson(nft, names) : { nftText: withoutTables(nftText, names) }),
    ...(v4 === undefined ? {} : { iptables: v4 }),
    ...(v6 === undefined ? {} : { ip6tables: v6 }),
    ...(ipset === undefined ? {} : { ipset }),
  };
}

function joined(...texts: readonly (string | undefined)[]): string | undefined {
  const given = texts.filter((text) => text !== undefined);
  return given.length === 0 ? undefined : given.join('\n');
}

/** nft prints tables of iptables as well, in words that it cannot read again. */
function withoutTables(text: string, names: ReadonlySet<string>): string {
  let skipping = false;
  const kept = text.split('\n').filter((line) => {
    const [, family, name] = /^table (\S+) (\S+) \{/.exec(line) ?? [];
    if (family !== undefined) skipping = names.has(`${family} ${name}`);
    return !skipping;
  });
  return `${kept.join('\n').replaceAll('hook output priority dstnat', 'hook output priority -100')}\n`;
}

function nftJson(nft: unknown, names: ReadonlySet<string>): TrialRules {
  if (nft === undefined) return {};
  const { nftables } = nft as {
    nftables: Record<string, { family?: string; name?: string; table?: string }>[];
  };
  const kept = nftables.filter((object) =>
    Object.entries(object).every(
      ([kind, { family, name, table }]) => !names.has(`${family} ${kind === 'table' ? name : table}`),
    ),
  );
  return { nftJson: JSON.stringify({ nftables: kept }) };
}

function dumpTexts(files: readonly string[]): TrialRules | { readonly why: string } {
  const rules: Record<string, string> = {};
  for (const file of files) {
    const told = file === '-' ? { ok: false as const, why: 'stdin was read already' } : readText(file);
    if (!told.ok) return { why: `${file}: ${told.why}` };
    const kind = recogniseDump(told.text);
    const name = kind === undefined ? undefined : TEXTS[kind];
    if (name === undefined) continue;
    rules[name] = rules[name] === undefined ? told.text : `${rules[name]}\n${told.text}`;
  }
  return rules;
}

const TEXTS: Readonly<Record<NonNullable<ReturnType<typeof recogniseDump>>, keyof TrialRules>> = {
  'nft-text': 'nftText',
  'nft-json': 'nftJson',
  'iptables-save': 'iptables',
  'ip6tables-save': 'ip6tables',
  'ipset-save': 'ipset',
};
