// Names in groups that nobody asks DNS for again.
import { hostNamesOf } from '../policy/host-names.ts';
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';

export function names({ machine }: Facts): Finding[] {
  const { active, policy, watched } = machine?.moat ?? {};
  const found = policy === undefined ? [] : hostNamesOf(policy);
  if (active !== true || watched !== false || found.length === 0) return [];
  const more = found.length > 3 ? ', …' : '';
  return [
    {
      id: 'names',
      severity: 'medium',
      what: `${found.slice(0, 3).join(', ')}${more}: names in groups, and no daemon runs that asks DNS for them again`,
      why: 'when their addresses change, the old ones go on to be what rules are about, and the new ones are not, until `moat reload`',
      mend: ['moat daemon --install'],
    },
  ];
}
