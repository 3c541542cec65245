// How long rulesets take to be read and analysed, and how that grows. Each dump in a process of its own, a few times.
// With MOAT_RULESETS=FOLDER also the dumps in that folder, the slowest of them by name.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { runCommand } from '../lab/command.ts';
import { type Dump, dumpsIn, madeRulesets, typicalHost } from './analysis-inputs.ts';
import { ratio, summary } from './statistics.ts';

interface Took {
  readonly wall: number;
  readonly cpu: number;
}

const STEPS = ['read', 'audit', 'roads'] as const;
type Step = (typeof STEPS)[number];

interface Once extends Readonly<Record<Step, Took>> {
  readonly rules: number;
  readonly isDone: boolean;
  readonly order: string;
  readonly nodes: number;
  readonly peak: number;
}

/** Medians, and of the ratios that of the rounds' own. */
export interface AnalysisRow extends Readonly<Record<Step, Took>> {
  readonly name: string;
  readonly rules: number;
  readonly isDone: boolean;
  readonly order: string;
  readonly peak: number;
  readonly auditToRead: number;
  readonly roadsToRead: number;
}

const RUNS = 5;
/** Of what takes seconds, by the processor: the noise is small beside it. */
const LONG_RUNS = 3;
const LONG = 2_000;
/** What one process may take. */
const LIMIT_SECONDS = 120;
/** Dumps that are named in the table; of the others only how many there are and the slowest. */
const NAMED = 12;

/** A dump that took longer than LIMIT_SECONDS, reading and both questions together. */
export interface TooLong {
  readonly name: string;
  readonly overSeconds: number;
}

/** Milliseconds, the medians of several processes, and the largest peak of memory in megabytes. */
export async function measureAnalysis(
  note: (line: string) => void,
): Promise<readonly (AnalysisRow | TooLong)[]> {
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
    const measure = async ({ name, file }: Dump, times: number): Promise<AnalysisRow | TooLong> => {
      const runs: Once[] = [];
      for (let i = 0; i < times; i++) {
        const once = await runOnce(program, file);
        if (once === undefined) return { name, overSeconds: LIMIT_SECONDS };
        runs.push(once);
        if (i + 1 >= LONG_RUNS && once.roads.cpu + once.audit.cpu > LONG) break;
      }
      return { name, ...middle(runs) };
    };
    const rows: (AnalysisRow | TooLong)[] = [];
    for (const input of [...typicalHost(), ...(await madeRulesets(folder))]) {
      note(`  ${input.name}`);
      rows.push(await measure(input, RUNS));
    }
    // Of hundreds of dumps each once, and those that took longest again.
    const found = dumps === undefined ? [] : dumpsIn(dumps);
    const once: { readonly input: Dump; readonly row: AnalysisRow | TooLong }[] = [];
    for (const [i, input] of found.entries()) {
      if (i % 100 === 0) note(`  ${i} of ${found.length} dumps`);
      once.push({ input, row: await measure(input, 1) });
    }
    once.sort((a, b) => total(b.row) - total(a.row));
    for (const [i, { input, row }] of once.entries()) rows.push(i < NAMED ? await measure(input, RUNS) : row);
    return rows;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** undefined: it took too long. */
async function runOnce(program: string, file: string): Promise<Once | undefined> {
  const begun = performance.now();
  const { code, stdout, stderr } = await runCommand(process.execPath, [program, file], {
    timeoutMs: LIMIT_SECONDS * 1000,
  });
  if (code === 0) return JSON.parse(stdout) as Once;
  if (performance.now() - begun >= LIMIT_SECONDS * 1000) return undefined;
  throw new Error(`${file}: exit code ${code}\n${stderr}`);
}

function middle(runs: readonly Once[]): Omit<AnalysisRow, 'name'> {
  const took = (step: Step): Took => ({
    wall: summary(runs.map((run) => run[step].wall)).median,
    cpu: summary(runs.map((run) => run[step].cpu)).median,
  });
  const toRead = (step: Step): number =>
    ratio(
      runs.map((run) => run[step].cpu),
      runs.map(({ read }) => Math.max(read.cpu, 0.1)),
    ).median;
  const { rules, order } = runs[0]!;
  return {
    rules,
    order,
    isDone: runs.every(({ isDone }) => isDone),
    peak: Math.max(...runs.map(({ peak }) => peak)),
    read: took('read'),
    audit: took('audit'),
    roads: took('roads'),
    auditToRead: toRead('audit'),
    roadsToRead: toRead('roads'),
  };
}

/** Milliseconds of processor time for both questions. */
function total(row: AnalysisRow | TooLong): number {
  return 'overSeconds' in row ? row.overSeconds * 1000 : row.roads.cpu + row.audit.cpu;
}

export function analysisText(rows: readonly (AnalysisRow | TooLong)[]): string {
  const made = rows.filter(({ name }) => !name.includes('.'));
  const dumps = rows.filter((row) => !made.includes(row));
  const slowest = [...dumps].sort((a, b) => total(b) - total(a));
  const both = ({ wall, cpu }: Took): string => `${wall.toFixed(0)}/${cpu.toFixed(0)}`.padStart(11);
  const line = (row: AnalysisRow | TooLong): string => {
    if ('overSeconds' in row) return `${row.name.slice(-40).padEnd(40)} took more than ${row.overSeconds} s`;
    return [
      row.name.slice(-40).padEnd(40),
      String(row.rules).padStart(6),
      both(row.read),
      both(row.audit),
      both(row.roads),
      row.auditToRead.toFixed(2).padStart(10),
      row.roadsToRead.toFixed(2).padStart(10),
      `${row.peak.toFixed(0)} MB`.padStart(7),
      row.order.padStart(5),
      row.isDone ? '' : ' TOO LARGE',
    ].join(' ');
  };
  return [
    `Milliseconds by the clock / of processor time, medians of ${RUNS} processes (${LONG_RUNS} where it takes long).`,
    'read: the dump alone. audit: who outside reaches which port. roads: all packets on all three ways.',
    `${''.padEnd(40)}  rules        read       audit       roads audit÷read roads÷read  memory order`,
    ...made.map(line),
    ...(dumps.length === 0
      ? ['(no folder of dumps: MOAT_RULESETS is not set)']
      : [`the slowest of ${dumps.length} dumps:`, ...slowest.slice(0, NAMED).map(line)]),
  ].join('\n');
}
