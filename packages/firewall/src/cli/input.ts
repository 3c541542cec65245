// What a command that only reads looks at: a snapshot, bare dumps, or this machine.
import {
  type Dump,
  type Host,
  hostOf,
  type Ruleset,
  type RulesetProblem,
  readDumps,
  readSnapshot,
  recogniseDump,
  type Snapshot,
  snapshotRuleset,
} from '@moat/netfilter';
import { nftTextToJson } from '../kernel/nft-text.ts';
import { type SnapshotOptions, takeSnapshot } from '../kernel/snapshot.ts';
import { readText } from '../kernel/text-file.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { type Answer, failure } from './say.ts';

export interface Input {
  /** Where it is from, for people: `this machine`, `snapshot FILE`, `FILE, FILE`. */
  readonly source: string;
  readonly ruleset: Ruleset;
  /** Absent for bare dumps: interfaces, routes and sysctls are not known. */
  readonly host?: Host;
  readonly snapshot?: Snapshot;
  /** What was not understood; the rules in question are unknown in the ruleset. */
  readonly problems: readonly RulesetProblem[];
}

export type InputResult =
  | { readonly ok: true; readonly input: Input }
  | { readonly ok: false; readonly answer: Answer };

/** Reads what `--snapshot` or `--ruleset` name, else takes a snapshot of this machine (`live` says how). */
export async function readInput(context: Context, live: SnapshotOptions = {}): Promise<InputResult> {
  const { snapshot, rulesets } = context.options;
  if (snapshot !== undefined && rulesets.length > 0) {
    return mistake(
      '--snapshot and --ruleset are given: expected one of them, a snapshot has the rules in it',
    );
  }
  if (snapshot !== undefined) return readSnapshotFile(snapshot);
  if (rulesets.length > 0) return readRulesetFiles(rulesets);
  return readLive(live);
}

/** This machine, as `readInput` has it without options. */
export async function readLive(live: SnapshotOptions = {}): Promise<InputResult> {
  return ofSnapshot('this machine', await takeSnapshot(live));
}

/** A file of either kind, known by its content; undefined: it is neither a snapshot nor a dump. */
export async function readInputText(file: string, text: string): Promise<InputResult | undefined> {
  if (SNAPSHOT.test(text)) return readSnapshotText(file, text);
  if (recogniseDump(text) === undefined) return undefined;
  const dump = await dumpOf(file, text);
  if ('why' in dump) return mistake(`${nameOf(file)}: ${dump.why}`);
  return { ok: true, input: { source: nameOf(file), ...readDumps([dump]) } };
}

/** The beginning of a snapshot. */
const SNAPSHOT = /^\s*\{\s*"format":\s*"moat-snapshot"/;

/** What a snapshot holds, in the words of the analysis. */
function ofSnapshot(source: string, snapshot: Snapshot): InputResult {
  const { ruleset, problems } = snapshotRuleset(snapshot);
  return { ok: true, input: { source, ruleset, host: hostOf(snapshot), snapshot, problems } };
}

const SHOWN = 10;

/** `--snapshot FILE`; `-` is stdin. */
function readSnapshotFile(file: string): InputResult {
  const told = readText(file);
  return told.ok ? readSnapshotText(file, told.text) : mistake(`${nameOf(file)}: ${told.why}`);
}

function readSnapshotText(file: string, text: string): InputResult {
  const json = parsed(text);
  if (json === undefined) {
    const kind = recogniseDump(text);
    const hint =
      kind === undefined
        ? 'moat snapshot FILE writes one'
        : `this is ${article(kind)}: give it with --ruleset`;
    return mistake(`${nameOf(file)}: expected a snapshot, which is JSON; ${hint}`);
  }
  const { snapshot, problems } = readSnapshot(json);
  if (snapshot !== undefined) return ofSnapshot(`snapshot ${nameOf(file)}`, snapshot);
  const lines = problems
    .slice(0, SHOWN)
    .map(({ path, expected, found }) => `  ${path}: expected ${expected}; found ${found}`);
  const more = problems.length > SHOWN ? [`  and ${problems.length - SHOWN} more`] : [];
  const hint =
    recogniseDump(text) === 'nft-json' ? ['  This is the JSON of nft: give it with --ruleset'] : [];
  const message = [`${nameOf(file)}: not a snapshot that moat can read`, ...lines, ...more, ...hint];
  return mistake(message.join('\n'), { file, problems });
}

async function readRulesetFiles(files: readonly string[]): Promise<InputResult> {
  const dumps: Dump[] = [];
  for (const file of files) {
    const told = readText(file);
    if (!told.ok) return mistake(`${nameOf(file)}: ${told.why}`);
    const dump = await dumpOf(file, told.text);
    if ('why' in dump) return mistake(`${nameOf(file)}: ${dump.why}`);
    dumps.push(dump);
  }
  return { ok: true, input: { source: files.map(nameOf).join(', '), ...readDumps(dumps) } };
}

async function dumpOf(file: string, text: string): Promise<Dump | { readonly why: string }> {
  const kind = recogniseDump(text);
  if (kind === undefined) {
    return {
      why: SNAPSHOT.test(text)
        ? 'this is a snapshot: give it with --snapshot'
        : 'expected a ruleset: what iptables-save, ip6tables-save, ipset save, nft -j list ruleset or nft list ' +
          'ruleset print; found none of these',
    };
  }
  if (kind !== 'nft-text') return { name: nameOf(file), kind, text };
  const loaded = await nftTextToJson(text);
  return loaded.ok ? { name: nameOf(file), kind: 'nft-json', text: loaded.text } : loaded;
}

function article(kind: string): string {
  return /^[aeiou]/.test(kind) ? `an ${kind}` : `a dump (${kind})`;
}

function nameOf(file: string): string {
  return file === '-' ? 'stdin' : file;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function mistake(message: string, more: object = {}): InputResult {
  return { ok: false, answer: failure(ExitCode.mistake, 'input', message, more) };
}
