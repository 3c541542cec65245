// All that moat has on a machine, its files and its table, to be put back and to be compared.
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { renderReplacement, type Table } from '@moat/netfilter';
import type { Machine } from '../../../lab/machine.ts';
import type { Moat } from '../../../lab/moat.ts';
import { loadedTable } from '../loaded.ts';

export interface KeptFile {
  readonly mode: number;
  readonly text: string;
}

export interface MachineState {
  /** By path below the root, without a slash before it. */
  readonly files: ReadonlyMap<string, KeptFile>;
  /** nft text that brings the table back. */
  readonly rules: string;
  readonly table: Table | undefined;
}

const EMPTY = 'table inet moat\ndelete table inet moat\n';

export async function captureState(server: Machine, { root }: Moat): Promise<MachineState> {
  const listed = await server.run('nft', ['list', 'table', 'inet', 'moat']);
  return {
    files: readFiles(root),
    rules: EMPTY + (listed.code === 0 ? listed.stdout : ''),
    table: await loadedTable(server),
  };
}

function readFiles(root: string): Map<string, KeptFile> {
  const files = new Map<string, KeptFile>();
  for (const name of readdirSync(root, { recursive: true }).map(String).sort()) {
    const stat = statSync(join(root, name));
    if (stat.isFile())
      files.set(name, { mode: stat.mode & 0o777, text: readFileSync(join(root, name), 'utf8') });
  }
  return files;
}

export async function restoreState(server: Machine, { root }: Moat, state: MachineState): Promise<void> {
  for (const name of readdirSync(root)) rmSync(join(root, name), { recursive: true });
  for (const [name, { mode, text }] of state.files) {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, text);
    chmodSync(path, mode);
  }
  await server.output('nft', ['-f', '-'], { input: state.rules });
}

/** Text without what differs from one run to the next: tokens, checksums, moments and what counts seconds. */
export function plain(text: string): string {
  return text
    .replaceAll(/\d{4}-?\d\d-?\d\dT[\d:]+(\.\d+)?Z/g, 'MOMENT')
    .replaceAll(/"(deadline)":[\d.]+/g, '"$1":0')
    .replaceAll(/"connections":\[[^\]]*\]/g, '"connections":[]')
    .replaceAll(/[0-9a-f]{16,}/g, 'TOKEN')
    .replaceAll(/\b\d{5,}\b/g, 'SECONDS');
}

/** Who is banned, by set; the time that is left is no part of it. */
export function bannedIn(table: Table | undefined): string {
  const sets = table?.sets.filter(({ name }) => name.startsWith('banned_')) ?? [];
  const big = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value);
  return JSON.stringify(
    sets.map(({ name, elements }) => [name, elements.map((each) => JSON.stringify(each, big)).sort()]),
  );
}

/** What a command that was stopped may leave: what the next one that needs it writes anew. */
export const TEMPORARY = /\.new$|\.back$|pending\.new\/|\/check\.nft$/;

/** The same for two states from which everything goes on in the same way. */
export function signatureOf({ files, table }: Pick<MachineState, 'files' | 'table'>, more: string): string {
  const names = [...files.keys()];
  const named = [...files]
    .filter(([name]) => !TEMPORARY.test(name) && !/^run\/moat\/(lock|sent\.nft)$|way-back\.log$/.test(name))
    .map(([name, { text }]) => `${plain(name)}\n${plain(text)}`);
  return [
    ...named,
    table === undefined
      ? ''
      : renderReplacement({ ...table, sets: table.sets.map((set) => ({ ...set, elements: [] })) }),
    bannedIn(table),
    `${names.some((name) => TEMPORARY.test(name))} ${more}`,
  ].join('\n\n');
}
