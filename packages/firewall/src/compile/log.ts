// Which packets each logging level writes to the kernel log, and under which words.
import type { Rule, Statement } from '@moat/netfilter';
import type { DefaultVerdict, LogLevel, Traffic } from '../policy/model.ts';

const RANK: Readonly<Record<LogLevel, number>> = { off: 0, low: 1, medium: 2, high: 3, full: 4 };

function atLeast(level: LogLevel, least: LogLevel): boolean {
  return RANK[level] >= RANK[least];
}

/** ufw's rate: three a minute, ten at once. */
const SAMPLE: Statement = { kind: 'limit', rate: 3, per: 'minute', burst: 10, over: false };

function logRule(word: string, sampled: boolean): Rule {
  return {
    comment: 'moat:log',
    statements: [...(sampled ? [SAMPLE] : []), { kind: 'log', prefix: `moat:${word} ` }],
  };
}

/** low: what the default refuses; medium: also what it lets through; high and full: every one of them. */
export function defaultLogRules(level: LogLevel, traffic: Traffic, verdict: DefaultVerdict): Rule[] {
  if (!atLeast(level, verdict === 'allow' ? 'medium' : 'low')) return [];
  return [logRule(`${verdict}-${traffic}`, !atLeast(level, 'high'))];
}

/** high: a sample of all new flows; full: all of them. */
export function newFlowLogRules(level: LogLevel, traffic: Traffic): Rule[] {
  return atLeast(level, 'high') ? [logRule(`new-${traffic}`, level !== 'full')] : [];
}

/** medium: a sample of the packets that belong to no flow; high and full: all of them. */
export function invalidLogRules(level: LogLevel): Rule[] {
  return atLeast(level, 'medium') ? [logRule('invalid', !atLeast(level, 'high'))] : [];
}

/** Whether anything is written about traffic that the default lets through. */
export function logsAllowed(level: LogLevel): boolean {
  return atLeast(level, 'medium');
}
