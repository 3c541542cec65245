// npm run bench [-- rates|commands|window|analysis|audit] [-- --json FILE]: moat and ufw measured side by side, in one run.
// Runs inside the private network that scripts/bench.mjs makes.
import { writeFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { commandOutput } from '../lab/command.ts';
import { assertPrivateNetwork } from '../lab/guard.ts';
import { MOAT_PROGRAM } from '../lab/moat.ts';
import { analysisText, measureAnalysis } from './analysis.ts';
import { auditText, measureAudit } from './audit.ts';
import { commandsText, measureCommands } from './commands.ts';
import { measureRates, ratesText } from './rates.ts';
import { measureWindow, windowText } from './window.ts';

const PARTS = {
  rates: async () => show(await measureRates(note), ratesText),
  commands: async () => show(await measureCommands(note), commandsText),
  window: async () => show(await measureWindow(note), windowText),
  analysis: async () => show(await measureAnalysis(note), analysisText),
  audit: async () => show(await measureAudit(note), auditText),
} as const;

type Part = keyof typeof PARTS;

const note = (line: string): void => console.error(line);

function show<T>(result: T, text: (result: T) => string): T {
  console.log(`\n${text(result)}\n`);
  return result;
}

async function firstLine(command: string, ...args: readonly string[]): Promise<string> {
  return (await commandOutput(command, args)).split('\n')[0] ?? '';
}

async function machine(): Promise<Readonly<Record<string, string>>> {
  const processors = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: `${processors.length} × ${processors[0]?.model.trim()}`,
    kernel: release(),
    node: process.version,
    moat: await firstLine(process.execPath, MOAT_PROGRAM, 'version'),
    ufw: await firstLine('ufw', 'version'),
    nft: await firstLine('nft', '--version'),
  };
}

assertPrivateNetwork();
const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } });
const isPart = (word: string): word is Part => Object.hasOwn(PARTS, word);
const unknown = positionals.find((word) => !isPart(word));
if (unknown !== undefined) {
  console.error(`expected one of ${Object.keys(PARTS).join(', ')}, got ${unknown}`);
  process.exit(2);
}
const begun = performance.now();
const results: Record<string, unknown> = { machine: await machine() };
for (const [name, value] of Object.entries(results['machine'] as object)) console.log(`${name}: ${value}`);
for (const part of Object.keys(PARTS).filter(isPart)) {
  if (positionals.length > 0 && !positionals.includes(part)) continue;
  note(`${part}:`);
  results[part] = await PARTS[part]();
}
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(results, undefined, 2)}\n`);
console.log(`${((performance.now() - begun) / 1000).toFixed(0)} s in all`);
