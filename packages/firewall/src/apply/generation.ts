// The generation that a change makes, and what became of those before it.
import { formatAddress } from '@moat/netfilter';
import {
  type Generation,
  type Generations,
  nextGenerationNumber,
  readGenerations,
} from '../kernel/generations.ts';
import type { Paths } from '../kernel/paths.ts';
import { readAppliedPolicy, readPending } from '../kernel/state.ts';
import { whoRuns } from '../kernel/who.ts';
import { policyDifference } from '../policy/difference.ts';
import type { ChangeRequest, Plan } from './plan.ts';
import { storedRules } from './run-time.ts';

/** What became of a generation: whether its change was confirmed, waits for that, or went back by itself. */
export type Fate = 'final' | 'confirmed' | 'waits' | 'went back';

/** The generation of a change, or undefined where it changes nothing that is in force. `change`: what it waits with. */
export function generationOf(
  paths: Paths,
  plan: Plan,
  request: ChangeRequest,
  change: string | undefined,
): Generation | undefined {
  const applied = readAppliedPolicy(paths);
  if (plan.table === undefined || (plan.change === undefined && applied === plan.file.text)) return undefined;
  const own =
    plan.session?.kind === 'connected'
      ? plan.session.connections[0]
      : plan.connections.find(({ ours }) => ours);
  return {
    number: nextGenerationNumber(paths),
    when: new Date().toISOString(),
    who: whoRuns(own === undefined ? undefined : formatAddress(own.remote.address)),
    why: request.command,
    restores: request.restores ?? null,
    change: change ?? null,
    summary: policyDifference(applied ?? '', plan.file.text, request.services),
    narrowing: plan.narrowing,
    policy: plan.file.text,
    rules: storedRules(plan.table),
  };
}

export function fateOf(paths: Paths, { kept }: Generations, { change }: Generation): Fate {
  if (change === null) return 'final';
  if (kept.has(change)) return 'confirmed';
  return readPending(paths)?.change === change ? 'waits' : 'went back';
}

/** The generation in force: the newest whose change did not go back. */
export function currentGeneration(paths: Paths, generations: Generations): Generation | undefined {
  return generations.whole.findLast((each) => fateOf(paths, generations, each) !== 'went back');
}

/** What `moat undo` goes back to: the state before the one in force; again and again it goes further back. */
export function generationBefore(paths: Paths, generations = readGenerations(paths)): Generation | undefined {
  const current = currentGeneration(paths, generations);
  const from = current?.restores ?? current?.number ?? 0;
  return generations.whole.findLast(
    (each) => each.number < from && fateOf(paths, generations, each) !== 'went back',
  );
}
