// The proof that comes with each change: within a limit of effort, and not twice for the same policy and rules.
import { createHash } from 'node:crypto';
import { renderReplacement, type Table } from '@moat/netfilter';
import type { ContainerLinks } from '../compile/container-links.ts';
import type { Paths } from '../kernel/paths.ts';
import { readProved, writeProved } from '../kernel/state.ts';
import type { Policy } from '../policy/model.ts';
import { type Difference, type ProofOptions, provePolicy } from '../proof/prove-policy.ts';

/** What is known about rules and what they ought to mean. */
export type ProofState =
  /** `key` names what was proved, to be remembered. */
  | { readonly kind: 'proved'; readonly key: string }
  | { readonly kind: 'different'; readonly difference: Difference }
  /** It would take longer than a change may; `moat test` takes the time. */
  | { readonly kind: 'given up' };

/** Nodes of packet sets that a proof may make while a change waits for it: a fifth of a second. */
const EFFORT = 150_000;
const QUICK: ProofOptions = { orders: ['F'], efforts: [], effort: EFFORT };
/** What was proved by another edition of the proof is proved again. To be raised when the proof learns more. */
const EDITION = 1;
/** How many proofs are remembered: those of the last changes, which undo and reload come back to. */
const REMEMBERED = 64;

/** Whether the rules mean what the policy means on this machine. `thorough`: as long as it takes. */
export function proofOf(
  paths: Paths,
  policy: Policy,
  links: ContainerLinks,
  table: Table,
  { thorough }: { readonly thorough: boolean } = { thorough: false },
): ProofState {
  const key = keyOf(policy, links, table);
  if (readProved(paths).includes(key)) return { kind: 'proved', key };
  const proof = provePolicy(policy, links, table, thorough ? {} : QUICK);
  if (proof.kind === 'too large') return { kind: 'given up' };
  return proof.kind === 'proved' ? { kind: 'proved', key } : proof;
}

/** So that the next change to the same need not prove it again. Where there is no room for it, it is proved again. */
export function rememberProved(paths: Paths, key: string): void {
  try {
    const known = readProved(paths);
    if (known[0] === key) return;
    writeProved(paths, [key, ...known.filter((each) => each !== key)].slice(0, REMEMBERED));
  } catch {
    // What is in force does not depend on it.
  }
}

/** Names the policy, the machine and the rules; counters and comments of the file are no part of it. */
function keyOf(policy: Policy, links: ContainerLinks, table: Table): string {
  const plain = (_: string, value: unknown): unknown => {
    if (typeof value === 'bigint') return `${value}n`;
    return value instanceof Map ? [...value] : value;
  };
  return createHash('sha256')
    .update(JSON.stringify([EDITION, policy, links, renderReplacement(table)], plain))
    .digest('hex');
}
