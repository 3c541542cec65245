// What the next boot does with moat's rules: the unit, the file that it loads, and whether they are in the kernel now.
import type { BootUnitState } from '../apply/boot-state.ts';
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';

const ENABLE = ['moat enable'];

export function bootUnit({ machine }: Facts): Finding[] {
  if (machine?.moat.boot.rules === undefined) return [];
  const finding = { id: 'boot-unit', mend: ENABLE } as const;
  const { unit } = machine.moat.boot;
  const told = unitText(unit);
  if (told === undefined) return [];
  return [{ ...finding, ...told }];
}

function unitText(unit: BootUnitState): Pick<Finding, 'severity' | 'what' | 'why'> | undefined {
  const why = 'the next boot comes up without moat: what it closes is open then';
  switch (unit.kind) {
    case 'in order':
      return undefined;
    case 'missing':
      return { severity: 'high', what: `moat is enabled, but there is no ${unit.file}`, why };
    case 'not enabled':
      return {
        severity: 'high',
        what: `moat is enabled, but the next boot does not start ${unit.file}`,
        why,
      };
    case 'edited':
      return {
        severity: 'medium',
        what: `${unit.file} is not what this moat writes: it was edited, or is from another version, or sshd has other ports by now`,
        why: 'what is done where the rules do not load stands in it, and the ports that stay open for ssh then',
      };
    case 'not started':
      return unit.there
        ? undefined
        : {
            severity: 'high',
            what: `moat is enabled, but there is no ${unit.script} for the boot to run`,
            why,
          };
    default:
      return unit satisfies never;
  }
}

export function bootRules({ machine }: Facts): Finding[] {
  if (machine === undefined || machine.nft.kind !== 'works') return [];
  const { active, pending, boot } = machine.moat;
  const finding = { id: 'boot-rules', severity: 'high', mend: ENABLE } as const;
  if (boot.rules === undefined) {
    // What waits for its confirmation is not for the next boot.
    if (!active || pending !== undefined) return [];
    const what = 'the rules of moat are in force, but not kept for the next boot';
    return [{ ...finding, what, why: 'after it, what they close is open' }];
  }
  // Where no rules of moat load these do not either.
  const hopeless = machine.missingFeatures?.some((feature) => feature.for === 'everything') ?? false;
  if (boot.refusal === undefined || hopeless) return [];
  return [
    {
      ...finding,
      what: `${boot.rules} does not load: ${boot.refusal}`,
      why: 'the next boot falls back on the confirmed rules before them, or on the emergency rules',
    },
  ];
}

export function notLoaded({ machine }: Facts): Finding[] {
  if (machine === undefined || machine.nft.kind !== 'works') return [];
  const { active, boot } = machine.moat;
  if (active || boot.rules === undefined) return [];
  return [
    {
      id: 'not-loaded',
      severity: 'high',
      what: 'moat is enabled, but its rules are not in the kernel: somebody flushed them',
      why: 'all that it closes is open now',
      mend: ['moat reload'],
    },
  ];
}
