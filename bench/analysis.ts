// How long rulesets take to be read and analysed, and how that grows. Each dump in a process of its own, a few times.
// With MOAT_RULESETS=FOLDER also the dumps in that folder, the slowest of them by name.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { commandOutput } from '../lab/command.ts';
import { dumpsIn, madeRulesets } from './analysis-inputs.ts';

interface Once {
  readonly rules: number;
  readonly read: number;
  readonly audit: number;
  readonly roads: number;
  readonly isDone: boolean;
  readonly order: string;
  readonly nodes: number;
  readonly peak: number;
}

export interface AnalysisRow extends Once {
  readonly name: string;
}

const RUNS = 3;
/** Dumps that are named in the table; of the others only how many there are and the slowest. */
const NAMED = 12;

/** Milliseconds, the best of three runs, and the largest peak of memory in megabytes. */
export async function measureAnalysis(note: (line: string) => void): Promise<readonly AnalysisRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'moat-bench-'));
  try {
    const program = join(folder, 'analysis-one.mjs');
    await build({
      entryPoints: [new URL('./analysis-one.ts', import.meta.url).pathname],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: program,
      logLevel: 'silent',
    });
    const dumps = process.env['MOAT_RULESETS'];
    const inputs = [...(await madeRulesets(folder)), ...(dumps === undefined ? [] : dumpsIn(dumps))];
    const rows: AnalysisRow[] = [];
    for (const { name, file } of inputs) {
      note(`  ${name}`);
      const runs: Once[] = [];
      for (let i = 0; i < RUNS; i++) {
        runs.push(JSON.parse(await commandOutput(process.execPath, [program, file])) as Once);
        // What takes long is not noise.
        if (runs[0]!.roads > 2_000 || runs[0]!.roads < 5) break;
      }
      const best = (key: 'read' | 'audit' | 'roads'): number => Math.min(...runs.map((run) => run[key]));
      const peak = Math.max(...runs.map((run) => run.peak));
      rows.push({ ...runs[0]!, name, read: best('read'), audit: best('audit'), roads: best('roads'), peak });
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true });
  }
}

export function analysisText(rows: readonly AnalysisRow[]): string {
  const made = rows.filter(({ name }) => !name.includes('.'));
  const dumps = rows.filter((row) => !made.includes(row));
  const slowest = [...dumps].sort((a, b) => b.roads + b.audit - a.roads - a.audit).slice(0, NAMED);
  const line = ({ name, rules, read, audit, roads, isDone, order, peak }: AnalysisRow): string =>
    [
      name.slice(-44).padEnd(44),
      String(rules).padStart(6),
      read.toFixed(0).padStart(7),
      audit.toFixed(0).padStart(7),
      roads.toFixed(0).padStart(7),
      (audit / Math.max(read, 0.1)).toFixed(2).padStart(9),
      `${peak.toFixed(0)} MB`.padStart(8),
      order.padStart(3),
      isDone ? '' : ' TOO LARGE',
    ].join(' ');
  return [
    'Milliseconds, best of 3 processes. audit: who outside reaches which port. roads: all packets on all three ways.',
    `${''.padEnd(44)}  rules    read   audit   roads audit/read   memory order`,
    ...made.map(line),
    ...(dumps.length === 0
      ? ['(no folder of dumps: MOAT_RULESETS is not set)']
      : [`the slowest of ${dumps.length} dumps:`, ...slowest.map(line)]),
  ].join('\n');
}
