// Bare dumps, as many as belong together (v4, v6, ipsets, nft) → one Ruleset.
import type { Ipset } from '../model/ipset.ts';
import type { Ruleset, Table } from '../model/ruleset.ts';
import { readIpsetSave } from './ipset.ts';
import { type IptablesReading, readIptablesSave } from './iptables-save.ts';
import { mergeIptablesNft } from './merge-iptables-nft.ts';
import { readNftJson } from './nft-json.ts';
import type { DumpKind } from './recognise.ts';
import type { RulesetProblem, SnapshotRulesetReading } from './snapshot-ruleset.ts';

/** `text` of nft is given as its JSON: only nft itself can read it. */
export interface Dump {
  /** For messages: the name of the file. */
  readonly name: string;
  readonly kind: Exclude<DumpKind, 'nft-text'>;
  readonly text: string;
}

/**
 * Reads dumps of one machine. Tables of iptables that nft's listing has as well are merged out of both; others stand
 * beside each other. A table that two dumps have is a problem, since both would count.
 */
export function readDumps(dumps: readonly Dump[]): SnapshotRulesetReading {
  const problems: RulesetProblem[] = [];
  const native: Table[] = [];
  const saved: IptablesReading[] = [];
  let ipsets: readonly Ipset[] | undefined;
  const seen = new Map<string, string>();
  const once = (tables: readonly Table[], name: string): void => {
    for (const table of tables) {
      const key = `${table.source === 'nft' ? 'nft ' : ''}table ${table.family} ${table.name}`;
      const other = seen.get(key);
      if (other !== undefined) problems.push({ in: name, message: `${key} is in ${other} as well` });
      seen.set(key, name);
    }
  };
  for (const { name, kind, text } of dumps) {
    switch (kind) {
      case 'nft-json': {
        const { tables } = readNftJson(JSON.parse(text));
        once(tables, name);
        native.push(...tables);
        break;
      }
      case 'iptables-save':
      case 'ip6tables-save': {
        const reading = readIptablesSave(text);
        once(reading.ruleset.tables, name);
        for (const { line, message } of reading.problems) {
          problems.push({ in: name, message: `line ${line}: ${message}` });
        }
        saved.push(reading);
        break;
      }
      case 'ipset-save':
        ipsets = [...(ipsets ?? []), ...readIpsetSave(text)];
        break;
      default:
        throw new Error(kind satisfies never);
    }
  }
  const merged = mergeIptablesNft({ tables: native }, saved);
  for (const { family, table, chain, message } of merged.problems) {
    problems.push({ in: 'nft', message: `${family} ${table} ${chain}: ${message}` });
  }
  const alone = saved.flatMap(({ ruleset }) => ruleset.tables).filter((table) => !hasTwin(table, native));
  const ruleset: Ruleset = {
    tables: [...merged.ruleset.tables, ...alone],
    ...(ipsets === undefined ? {} : { ipsets }),
  };
  return { ruleset, problems };
}

/** Whether nft's listing has this table, too; those of the legacy backend it does not have. */
function hasTwin({ family, name, source }: Table, native: readonly Table[]): boolean {
  return (
    source !== 'iptables-legacy' && native.some((table) => table.family === family && table.name === name)
  );
}
