// Gates: a sentence that ends stands behind a set whose elements the kernel lets go of when the time is over.
import { meta, type NamedSet, type Statement, symbol } from '@moat/netfilter';
import type { Policy } from '../policy/model.ts';

/** The set that holds both families until then; sentences that end together share it. */
export function gateName(until: number): string {
  return `until_${until}`;
}

/** The moment that a gate's name says; undefined: it is no gate. */
export function gateEnd(set: string): number | undefined {
  const [, until] = /^until_([0-9]+)$/.exec(set) ?? [];
  return until === undefined ? undefined : Number(until);
}

/** Matches while the gate is open; from then on the sentence's rules match nothing, as if they were not there. */
export function gateStatement(gate: string): Statement {
  return { kind: 'match', operator: '==', left: meta('nfproto'), right: { kind: 'named', name: gate } };
}

/** Open gates. How long they stay so is no part of the rules: whoever loads them gives the elements their time. */
export function gateSets(policy: Policy): NamedSet[] {
  const ends = new Set(policy.rules.flatMap(({ until }) => until ?? []));
  return [...ends]
    .sort((a, b) => a - b)
    .map((until) => ({
      name: gateName(until),
      type: ['nf_proto'],
      interval: false,
      dynamic: true,
      timeouts: true as const,
      elements: [symbol('ipv4'), symbol('ipv6')],
    }));
}
