// The way of a packet as the kernel traces it, in the same words for the model's path and for nft's own trace.
import type { Ruleset } from '@moat/netfilter';
import type { PathStep } from './path-step.ts';

/** One rule that let the packet not simply go on, or the policy of a base chain. */
export interface Decision {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly rule: number | 'policy';
  readonly verdict: string;
}

const TERMINAL: readonly string[] = ['accept', 'drop', 'jump', 'goto', 'return'];

/** What a kernel would trace of the model's path: the last thing that each rule did; to it a rejection is a drop. */
export function decisionsOf(path: readonly PathStep[]): Decision[] {
  return path.flatMap((step, i) => {
    const { family, table, chain, rule } = step;
    const next = path[i + 1];
    const goesOn =
      next !== undefined && rule !== 'policy' && sameRule(step, next) && !TERMINAL.includes(step.verdict);
    if (goesOn) return [];
    const verdict = NATS.has(step.verdict) ? 'accept' : step.verdict === 'reject' ? 'drop' : step.verdict;
    if (NATS.has(step.verdict) && next !== undefined && sameRule(step, next)) return [];
    return TERMINAL.includes(verdict) ? [{ family, table, chain, rule, verdict }] : [];
  });
}

const NATS: ReadonlySet<string> = new Set(['dnat', 'snat', 'masquerade', 'redirect', 'netmap']);

function sameRule(a: PathStep, b: PathStep): boolean {
  return a.rule === b.rule && a.chain === b.chain && a.table === b.table && a.family === b.family;
}

export function decisionText({ family, table, chain, rule, verdict }: Decision): string {
  return `${family} ${table}/${chain} ${rule === 'policy' ? 'policy' : `rule ${rule}`}: ${verdict}`;
}

/**
 * The first packet in what `nft --handle monitor trace` printed. `listed`: the ruleset as the kernel that was traced
 * lists it, whose handles these are.
 */
export function readTraceText(text: string, listed: Ruleset): Decision[] {
  let id: string | undefined;
  const decisions: Decision[] = [];
  for (const line of text.split('\n')) {
    const [, of, family = '', table = '', chain = '', kind, rest = ''] =
      /^trace id (\w+) (\w+) (\S+) (\S+) (packet:|rule|verdict|policy) ?(.*)$/.exec(line) ?? [];
    if (of === undefined) continue;
    id ??= of;
    if (id !== of || table === TRACE_TABLE) continue;
    if (kind === 'policy') decisions.push({ family, table, chain, rule: 'policy', verdict: rest.trim() });
    if (kind !== 'rule') continue;
    const [, handle, verdict = ''] = /# handle (\d+) \(verdict (\w+)[^)]*\)\s*$/.exec(rest) ?? [];
    if (!TERMINAL.includes(verdict)) continue;
    const rules = listed.tables
      .find((each) => each.family === family && each.name === table)
      ?.chains.find(({ name }) => name === chain)?.rules;
    const at = rules?.findIndex((rule) => (rule.handle ?? rule.origin?.handle) === Number(handle)) ?? -1;
    decisions.push({ family, table, chain, rule: at + 1, verdict });
  }
  return decisions;
}

/** The table that switches the trace on. */
export const TRACE_TABLE = 'moat_trace';
