// The one seam to nft: load a text, check a text, list our table.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from './atomic-write.ts';
import type { HeldLock } from './lock.ts';
import { RELEASE, refusesRuleChanges } from './own-network.ts';
import { makeFolder, type Paths } from './paths.ts';
import { type Finished, run } from './process.ts';

export type NftError =
  /** This development build is in the system's own network and has not run nft. */
  | { readonly kind: 'guarded'; readonly message: string }
  /** nft is not installed. */
  | { readonly kind: 'missing'; readonly message: string }
  /** nft or the kernel refused; nothing was changed. `line` and `column` count from 1. */
  | {
      readonly kind: 'refused';
      readonly message: string;
      readonly file: string;
      readonly line: number | undefined;
      readonly column: number | undefined;
    };

export type NftResult = { readonly kind: 'ok' } | NftError;

export interface NftOptions {
  readonly paths: Paths;
  /** Held until nft has ended, even if this process is killed: nobody plans on rules that are about to change. */
  readonly lock?: HeldLock;
}

const MISSING = 'nft is not installed; on Debian and Ubuntu: apt install nftables';
const GUARDED =
  'this is a development build of moat, and this is the network of PID 1: the rules of a real machine are ' +
  'changed by release builds only. Use a network namespace (unshare -n; where root cannot read ' +
  '/proc/1/ns/net, unshare -Urn)';

/**
 * Loads nft text in one transaction (`nft -f`): all of it is in force afterwards, or nothing has changed. The
 * text stays in `paths.sent` as the record of what was sent. Rejects when that file cannot be written.
 */
export async function nftApply(text: string, { paths, lock }: NftOptions): Promise<NftResult> {
  makeFolder(paths.run);
  writeFileAtomic(paths.sent, text);
  if (refusesRuleChanges(RELEASE)) return { kind: 'guarded', message: GUARDED };
  const inherits = lock === undefined ? [] : [lock.fd];
  return result(await run('nft', ['-f', paths.sent], { inherits }), paths.sent);
}

/** What `nftApply` would say, by `nft -c`: the kernel checks the transaction and drops it. Hold the lock. */
export async function nftCheck(text: string, { paths }: NftOptions): Promise<NftResult> {
  makeFolder(paths.run);
  // Always the same name, so that what a killed command left here does not pile up.
  const file = join(paths.run, 'check.nft');
  try {
    writeFileAtomic(file, text);
    return result(await run('nft', ['-c', '-f', file]), file);
  } finally {
    rmSync(file, { force: true });
  }
}

/**
 * `nft -j list table inet moat`, parsed; undefined when there is no such table. Rejects on everything else
 * that keeps it from being read.
 */
export async function nftListTable(): Promise<unknown> {
  const text = await list(['-j', 'list', 'table', 'inet', 'moat']);
  return text === undefined ? undefined : JSON.parse(text);
}

/** Whether there is a table `inet moat`, whatever is in it. Rejects when nft cannot be asked. */
export async function nftHasTable(): Promise<boolean> {
  // Chains, since nft 1.0.6 reads every element of every set to list tables: two seconds with 100,000 bans.
  return (await list(['list', 'chains', 'inet']))?.split('\n').includes('table inet moat {') ?? false;
}

/** The same as nft text, with handles when asked for. */
export function nftListText(options: { handles?: boolean } = {}): Promise<string | undefined> {
  return list([...(options.handles ? ['-a'] : []), 'list', 'table', 'inet', 'moat']);
}

async function list(args: readonly string[]): Promise<string | undefined> {
  const ran = await run('nft', args);
  if (ran.kind === 'missing') throw new Error(MISSING);
  if (ran.code === 0) return ran.stdout;
  // nft says ENOENT for the table on the first line and repeats the command below it.
  if (/^Error: No such file or directory\b/.test(ran.stderr)) return undefined;
  throw new Error(`nft ${args.join(' ')}: ${complaint(ran)}`);
}

function result(ran: Finished | { readonly kind: 'missing' }, file: string): NftResult {
  if (ran.kind === 'missing') return { kind: 'missing', message: MISSING };
  if (ran.code === 0) return { kind: 'ok' };
  // FILE:LINE:FIRST-LAST: Error: …
  const place = ran.stderr.startsWith(`${file}:`)
    ? /^(\d+):(\d+)/.exec(ran.stderr.slice(file.length + 1))
    : null;
  return {
    kind: 'refused',
    message: complaint(ran),
    file,
    line: place === null ? undefined : Number(place[1]),
    column: place === null ? undefined : Number(place[2]),
  };
}

function complaint(ran: Finished): string {
  if (ran.timedOut) return 'nft had not ended after a minute and was killed';
  return ran.stderr.trim() || `nft ended with ${ran.signal ?? `exit code ${ran.code}`} and said nothing`;
}
