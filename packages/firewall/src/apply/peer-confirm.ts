// Confirming by a peer: whoever a change comes from through a script or a fleet is reached again, by a new connection.
import { readGenerations } from '../kernel/generations.ts';
import type { Paths } from '../kernel/paths.ts';
import { formatPeer, type Peer, type PeerReach, reachPeer } from '../kernel/peer.ts';
import { lastWayBack, readPending } from '../kernel/state.ts';
import { type ChangeResult, makeChange } from './change.ts';
import { confirmByWitness } from './confirm.ts';
import type { ChangeRequest } from './plan.ts';

export type PeerChangeResult =
  | ChangeResult
  /** It was no use as a witness before the change already; nothing was changed. */
  | { readonly kind: 'no peer'; readonly message: string };

const TRY_MS = 3000;
const BETWEEN_MS = 500;

/**
 * Makes the change; where it waits, opens connections to the peer until one is accepted, and confirms. If none is
 * until the time is over, the way back does what it always does, and this tells. So what is proved is that this host
 * still gets its orders from there, and not that anybody can come in: for that there is the guard against lock-out.
 */
export async function makeChangeWithPeer(
  paths: Paths,
  request: ChangeRequest,
  peer: Peer,
): Promise<PeerChangeResult> {
  if (request.dryRun) return makeChange(paths, request);
  // One that could not be reached before says nothing about the change.
  const before = await reachPeer(peer, TRY_MS);
  if (before.kind !== 'reached') return { kind: 'no peer', message: noPeer(peer, before) };
  const result = await makeChange(paths, request);
  if (result.kind !== 'done' || result.pending?.fresh !== true) return result;
  const { change } = result.pending;
  while (readPending(paths)?.change === change) {
    if ((await reachPeer(peer, TRY_MS)).kind === 'reached') {
      const confirmed = await confirmByWitness(paths, change);
      if (confirmed.kind === 'confirmed') {
        const note = `confirmed: ${formatPeer(peer)} was reached again by a new connection`;
        return { ...result, pending: undefined, notes: [...result.notes, note, ...confirmed.notes] };
      }
      if (confirmed.kind === 'busy') return { kind: 'busy', message: confirmed.message };
    }
    await new Promise((resolve) => {
      setTimeout(resolve, BETWEEN_MS);
    });
  }
  // Somebody else may have kept it meanwhile.
  if (readGenerations(paths).kept.has(change)) return { ...result, pending: undefined };
  const log = lastWayBack(paths);
  return {
    kind: 'failed',
    message: `${formatPeer(peer)} could not be reached after the change${log === undefined ? '' : `\nlast: ${log}`}`,
  };
}

function noPeer(peer: Peer, reach: Exclude<PeerReach, { kind: 'reached' }>): string {
  const why =
    reach.kind === 'own'
      ? 'is this host itself, so reaching it proves nothing'
      : `cannot be reached now (${reach.reason}), so it could not confirm anything`;
  return `${formatPeer(peer)} ${why}; nothing was changed`;
}
