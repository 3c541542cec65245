// The rules of everybody in a snapshot → one Ruleset.
import type { Ruleset, Table } from '../model/ruleset.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { readIpsetSave } from './ipset.ts';
import { type IptablesReading, readIptablesSave } from './iptables-save.ts';
import { mergeIptablesNft } from './merge-iptables-nft.ts';
import { readNftJson } from './nft-json.ts';

/** Something in the texts that was not understood, or in which two of them do not agree. */
export interface RulesetProblem {
  /** Which text: `iptables-save`, `nft`, … */
  readonly in: string;
  readonly message: string;
}

export interface SnapshotRulesetReading {
  readonly ruleset: Ruleset;
  readonly problems: readonly RulesetProblem[];
}

/**
 * Tables of nft, tables of iptables-nft merged out of both listings, tables of iptables-legacy, and ipsets, where the
 * snapshot has them. What is not understood stays in the ruleset as unknown and is told as a problem.
 */
export function snapshotRuleset({ rulesets }: Snapshot): SnapshotRulesetReading {
  const problems: RulesetProblem[] = [];
  const native = rulesets.nft === undefined ? undefined : readNftJson(rulesets.nft);
  const read = (text: string | undefined, family: 'ip' | 'ip6', legacy: boolean): IptablesReading[] => {
    if (text === undefined) return [];
    const reading = readIptablesSave(text, { family, source: legacy ? 'iptables-legacy' : 'iptables-nft' });
    const program = `${family}tables-${legacy ? 'legacy-' : ''}save`;
    for (const { line, message, table } of reading.problems) {
      // nft lists what iptables-save does not print; what is not understood in there is told rule by rule.
      const isListed = native?.tables.some((each) => each.family === family && each.name === table) === true;
      if (isListed && !legacy) continue;
      problems.push({ in: program, message: `line ${line}: ${message}` });
    }
    return [reading];
  };
  const saved = [...read(rulesets.iptables, 'ip', false), ...read(rulesets.ip6tables, 'ip6', false)];
  const legacy = [
    ...read(rulesets.iptablesLegacy, 'ip', true),
    ...read(rulesets.ip6tablesLegacy, 'ip6', true),
  ];
  const tables = (readings: readonly IptablesReading[]): readonly Table[] =>
    readings.flatMap(({ ruleset }) => ruleset.tables);
  // Without nft's listing iptables-save alone must do, though it may hide rules of others.
  const modern = native === undefined ? tables(saved) : merged(native, saved, problems);
  return {
    ruleset: {
      tables: [...modern, ...tables(legacy)],
      ...(rulesets.ipset === undefined ? {} : { ipsets: readIpsetSave(rulesets.ipset) }),
    },
    problems,
  };
}

function merged(
  native: Ruleset,
  saved: readonly IptablesReading[],
  problems: RulesetProblem[],
): readonly Table[] {
  const result = mergeIptablesNft(native, saved);
  for (const { family, table, chain, message } of result.problems) {
    problems.push({ in: 'nft', message: `${family} ${table} ${chain}: ${message}` });
  }
  return result.ruleset.tables;
}
