// Banning and unbanning: one transaction, no rule is touched, and live flows end.
import {
  type Address,
  formatPrefix,
  intervalSet,
  intervalSetHas,
  type Prefix,
  prefixInterval,
} from '@moat/netfilter';
import type { Ban } from '../compile/ban.ts';
import { type AdminConnection, adminConnections } from '../kernel/admin-connections.ts';
import { type BanLine, readBanLines, stageBanLines } from '../kernel/ban-file.ts';
import { type Link, readLinks } from '../kernel/links.ts';
import { type HeldLock, withLock } from '../kernel/lock.ts';
import { nftApply, nftHasTable } from '../kernel/nft.ts';
import type { Paths } from '../kernel/paths.ts';
import { endFlows, readFlows, resetSockets } from '../kernel/running-flows.ts';
import { makeFolders } from '../kernel/state.ts';
import { connectionText } from './advice.ts';
import { adopted, banChange, banLines, banReplacement, bansOf, loadedBans, strangers } from './ban-store.ts';
import { listTable } from './listed.ts';

export interface BanRequest {
  readonly command: string;
  readonly ban: readonly Ban[];
  readonly unban: readonly Prefix[];
  /** Bans also where an admin is connected from now. */
  readonly allowLockout: boolean;
  /** Leaves out what must not be banned, with a note, instead of banning nothing. */
  readonly leaveOut: boolean;
  readonly dryRun: boolean;
}

export interface Refused {
  readonly prefix: Prefix;
  readonly why: string;
}

export type BanResult =
  | {
      readonly kind: 'done';
      readonly banned: readonly Ban[];
      /** Those of `ban` that longer bans hold already. */
      readonly covered: readonly Ban[];
      readonly unbanned: readonly Prefix[];
      /** Those of `unban` that were not banned by themselves. */
      readonly notBanned: readonly Prefix[];
      readonly leftOut: readonly Refused[];
      /** Whether the bans are in force: moat is active. */
      readonly active: boolean;
      /** How many flows were ended. */
      readonly ended: number;
      readonly notes: readonly string[];
    }
  | { readonly kind: 'refused'; readonly refused: readonly Refused[] }
  | { readonly kind: 'busy'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };

const LOCK_WAIT_MS = 60_000;

/** Bans and unbans; with `dryRun` only says what would be. */
export async function changeBans(paths: Paths, request: BanRequest): Promise<BanResult> {
  const refused = await protectedFrom(request);
  if (refused.length > 0 && !request.leaveOut) return { kind: 'refused', refused };
  if (request.dryRun) return await planned(paths, request, refused);
  const options = { waitMs: LOCK_WAIT_MS, command: request.command };
  const locked = await withLock(paths, options, (lock) => changeLocked(paths, request, refused, lock));
  return locked.kind === 'busy' ? { kind: 'busy', message: locked.message } : locked.value;
}

interface Edited {
  readonly bans: readonly Ban[];
  readonly unbanned: readonly Prefix[];
  readonly notBanned: readonly Prefix[];
}

/** A ban of the same network is replaced; one that is taken back is gone. */
function edited(bans: readonly Ban[], request: BanRequest, refused: readonly Refused[], now: number): Edited {
  const byName = new Map(bans.map((ban) => [formatPrefix(ban.prefix), ban]));
  const notBanned = request.unban.filter((prefix) => !byName.delete(formatPrefix(prefix)));
  const out = new Set(refused.map(({ prefix }) => formatPrefix(prefix)));
  for (const ban of request.ban) {
    const name = formatPrefix(ban.prefix);
    if (!out.has(name) && !isOver(ban, now)) byName.set(name, ban);
  }
  const unbanned = request.unban.filter((prefix) => !notBanned.includes(prefix));
  return { bans: [...byName.values()], unbanned, notBanned };
}

/** Its time went by while a list was read or another command held the lock. */
function isOver({ until }: Ban, now: number): boolean {
  return until !== undefined && until <= now;
}

function overNotes({ ban }: BanRequest, now: number): string[] {
  const over = ban.filter((each) => isOver(each, now));
  return over.map(({ prefix }) => `${formatPrefix(prefix)} was not banned: the time of that ban is over`);
}

async function planned(paths: Paths, request: BanRequest, refused: readonly Refused[]): Promise<BanResult> {
  const now = seconds();
  const edit = edited(bansOf(readBanLines(paths), now), request, refused, now);
  const notes = overNotes(request, now);
  return result(request, edit, banLines(edit.bans, now), refused, await nftHasTable(), 0, notes);
}

async function changeLocked(
  paths: Paths,
  request: BanRequest,
  refused: readonly Refused[],
  lock: HeldLock,
): Promise<BanResult> {
  makeFolders(paths);
  const now = seconds();
  const before = readBanLines(paths);
  let edit = edited(bansOf(before, now), request, refused, now);
  const active = await nftHasTable();
  // What is not in the file may have been put into the set by another program.
  const foreign = active && edit.notBanned.length > 0;
  let lines = banLines(edit.bans, now);
  let file = stageBanLines(paths, lines);
  try {
    if (active) {
      const text = banChange(before, lines, now);
      const sent = text === undefined || foreign ? undefined : await nftApply(text, { paths, lock });
      if (sent !== undefined && sent.kind !== 'ok' && sent.kind !== 'refused') {
        file.abandon();
        return { kind: 'failed', message: sent.message };
      }
      if (foreign || sent?.kind === 'refused') {
        // The sets hold something else than the file says: what is there is taken over, and all of it is sent.
        file.abandon();
        const loaded = loadedBans(await listTable());
        if (loaded === undefined) {
          return {
            kind: 'failed',
            message: 'the loaded rules have no bans: moat reload; nothing was changed',
          };
        }
        const others = strangers(loaded, before).flatMap((each) => adopted(each, now));
        edit = edited([...others, ...bansOf(before, now)], request, refused, now);
        lines = banLines(edit.bans, now);
        file = stageBanLines(paths, lines);
        const again = await nftApply(banReplacement(lines, now), { paths, lock });
        if (again.kind !== 'ok') {
          file.abandon();
          return { kind: 'failed', message: again.message };
        }
      }
    }
    file.commit();
  } catch (error) {
    file.abandon();
    return { kind: 'failed', message: (error as Error).message };
  }
  const made = new Set(edit.bans);
  const fresh = request.ban.filter((ban) => made.has(ban));
  const { ended, notes } = active ? await cut(fresh) : { ended: 0, notes: [] };
  return result(request, edit, lines, refused, active, ended, [...overNotes(request, now), ...notes]);
}

function result(
  request: BanRequest,
  edit: Edited,
  lines: readonly BanLine[],
  leftOut: readonly Refused[],
  active: boolean,
  ended: number,
  notes: readonly string[],
): BanResult {
  const inForce = new Set(lines.map(({ ban }) => ban));
  const wanted = new Set(edit.bans);
  const mine = request.ban.filter((ban) => wanted.has(ban));
  return {
    kind: 'done',
    banned: mine.filter(({ prefix }) => inForce.has(formatPrefix(prefix))),
    covered: mine.filter(({ prefix }) => !inForce.has(formatPrefix(prefix))),
    unbanned: edit.unbanned,
    notBanned: edit.notBanned,
    ...{ leftOut, active, ended, notes },
  };
}

/** Bans that would hit this host itself, or where somebody is logged in from as an admin. */
async function protectedFrom({ ban, allowLockout }: BanRequest): Promise<Refused[]> {
  if (ban.length === 0) return [];
  const links = await readLinks();
  const { connections } = adminConnections(links);
  // Whoever still authenticates is no admin yet: he may be the very one to be banned.
  const admins = connections.filter(({ session, ours, loopback }) => (session || ours) && !loopback);
  return ban.flatMap(({ prefix }) => {
    const why = ownReason(prefix, links) ?? (allowLockout ? undefined : adminReason(prefix, admins));
    return why === undefined ? [] : [{ prefix, why }];
  });
}

const LOOPBACK: readonly Prefix[] = [
  { family: 'ipv4', value: 127n << 24n, length: 8 },
  { family: 'ipv6', value: 1n, length: 128 },
];

function ownReason(prefix: Prefix, links: readonly Link[]): string | undefined {
  if (LOOPBACK.some((own) => holds(prefix, own) || holds(own, prefix)))
    return 'is loopback, this host itself';
  const own = links.find(({ addresses }) => addresses.some(({ address }) => isIn(address, prefix)));
  return own === undefined ? undefined : `holds an address of this host, on ${own.name}`;
}

function adminReason(prefix: Prefix, admins: readonly AdminConnection[]): string | undefined {
  const admin = admins.find(({ remote }) => isIn(remote.address, prefix));
  if (admin === undefined) return undefined;
  return `would lock out ${connectionText(admin)}${admin.ours ? ' (your own session)' : ''}`;
}

/** Whether `outer` holds all of `inner`. */
function holds(outer: Prefix, inner: Prefix): boolean {
  return outer.length <= inner.length && isIn(inner, outer);
}

function isIn(address: Address, prefix: Prefix): boolean {
  if (address.family !== prefix.family) return false;
  const { first, last } = prefixInterval(prefix);
  return address.value >= first && address.value <= last;
}

/** Ends what runs between here and there, in either direction. */
async function cut(bans: readonly Ban[]): Promise<{ ended: number; notes: string[] }> {
  if (bans.length === 0) return { ended: 0, notes: [] };
  const flows = await readFlows();
  if (flows === undefined) return { ended: 0, notes: ['flows that exist could not be listed'] };
  const of = (family: Address['family']) =>
    intervalSet(
      bans.filter(({ prefix }) => prefix.family === family).map(({ prefix }) => prefixInterval(prefix)),
    );
  const sets = { ipv4: of('ipv4'), ipv6: of('ipv6') };
  const banned = ({ family, value }: Address): boolean => intervalSetHas(sets[family], value);
  const theirs = flows.flatMap((flow) => {
    const remote = [flow.original.source, flow.reply.source].find(({ address }) => banned(address));
    return remote === undefined ? [] : [{ flow, remote: remote.address }];
  });
  const done = await endFlows(theirs.map(({ flow }) => flow));
  const remotes = new Map(theirs.map(({ remote }) => [`${remote.family} ${remote.value}`, remote]));
  for (const remote of remotes.values()) await resetSockets(remote);
  if (done.kind === 'ok') return { ended: done.count, notes: [] };
  return {
    ended: 0,
    notes: [
      'conntrack is not installed: nothing comes in from there, but entries of old flows stay until they age',
    ],
  };
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}
