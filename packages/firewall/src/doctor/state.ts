// What is not in order with moat's own state: rules that are not the policy's, a change that waits, torn files.
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';

export function drift({ machine }: Facts): Finding[] {
  const drifted = machine?.moat.drifted ?? [];
  if (drifted.length === 0) return [];
  return [
    {
      id: 'drift',
      severity: 'high',
      what: `the rules in the kernel are not those of the policy in force (${drifted.join(', ')})`,
      why: 'somebody changed them past moat, or a network of containers came that they treat otherwise: more may be open than the policy says',
      mend: ['moat reload'],
    },
  ];
}

export function interrupted({ machine }: Facts): Finding[] {
  if (machine === undefined || !machine.moat.active || machine.moat.appliedKnown) return [];
  return [
    {
      id: 'interrupted',
      severity: 'medium',
      what: 'the last change was interrupted: it is not known which sentences the rules in the kernel were made from',
      why: 'the rules may be older or newer than the policy file',
      mend: ['moat reload'],
    },
  ];
}

export function pending({ machine }: Facts): Finding[] {
  const waits = machine?.moat.pending;
  if (waits === undefined) return [];
  const finding = { id: 'pending' } as const;
  if (waits.overdue) {
    return [
      {
        ...finding,
        severity: 'high',
        what: 'a change was not confirmed in time, and the way back did not run',
        why: 'what was to be tried only is in force; the next change undoes it first',
        mend: ['moat abort'],
      },
    ];
  }
  return [
    {
      ...finding,
      severity: 'low',
      what: `a change waits for its confirmation, and goes back by itself in ${waits.secondsLeft} s`,
      why: 'until then a reboot goes back as well',
      mend: ['moat confirm  # from a new connection; or: moat abort'],
    },
  ];
}

export function tornGenerations({ machine }: Facts): Finding[] {
  return (machine?.moat.brokenGenerations ?? []).map(({ file, reason }) => ({
    id: 'torn-generation',
    severity: 'low',
    what: `${file} is no whole generation: ${reason}`,
    why: 'it is never loaded; `moat undo` cannot go back to it',
    mend: [`rm ${file}`],
  }));
}
