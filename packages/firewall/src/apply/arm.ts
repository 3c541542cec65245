// Arming the way back before a change: its files, then its timer, then its name.
import { randomBytes } from 'node:crypto';
import { connectionKey } from '../kernel/admin-connections.ts';
import { nftCheck } from '../kernel/nft.ts';
import { ownNetwork } from '../kernel/own-network.ts';
import type { Paths } from '../kernel/paths.ts';
import { startTimer } from '../kernel/timer.ts';
import { createPending, type Pending, readAppliedPolicy, readPending, renewPending } from '../kernel/state.ts';
import type { Plan } from './plan.ts';
import { restoration } from './restoration.ts';
import { wayBackScript, wayBackTimer } from './way-back.ts';

export type Armed =
  | { readonly kind: 'armed'; readonly pending: Pending }
  | { readonly kind: 'failed'; readonly message: string };

/**
 * After this the machine goes back by itself `seconds` from now, whatever becomes of this process. A change
 * that waits already keeps what it goes back to and gets the new timer.
 */
export async function arm(paths: Paths, plan: Plan, seconds: number): Promise<Armed> {
  const before = readPending(paths);
  const pending: Pending = {
    token: randomBytes(8).toString('hex'),
    deadline: Math.ceil(Date.now() / 1000) + seconds,
    connections: plan.connections.map(connectionKey),
  };
  if (before === undefined) {
    const rules = await restoration(plan.current);
    const checked = await nftCheck(rules, { paths });
    if (checked.kind !== 'ok') {
      return { kind: 'failed', message: `the way back would not load, so nothing was changed: ${checked.message}` };
    }
    createPending(paths, pending, {
      rules,
      policy: plan.oldText,
      applied: readAppliedPolicy(paths),
      script: wayBackScript(paths, ownNetwork()),
    });
    await startTimer(paths, pending.token, seconds, wayBackTimer(paths, pending.token, seconds));
  } else {
    await startTimer(paths, pending.token, seconds, wayBackTimer(paths, pending.token, seconds));
    renewPending(paths, pending);
  }
  return { kind: 'armed', pending };
}
