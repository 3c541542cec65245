// nftables.service with `flush ruleset`: whenever it is started, reloaded or stopped, everybody's rules are gone.
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';

export const NFTABLES_SERVICE = 'nftables';

export function flushRuleset({ machine }: Facts): Finding[] {
  const file = machine?.files.flushes;
  const state = machine?.services.find(({ name }) => name === NFTABLES_SERVICE);
  if (file === undefined || state === undefined || !(state.atBoot || state.active === true)) return [];
  const when = state.active === true ? 'is active' : 'is started at boot';
  return [
    {
      id: 'flush-ruleset',
      severity: 'high',
      what: `nftables.service ${when}, and ${file} has \`flush ruleset\``,
      why: 'each restart, reload or stop of it, as by an upgrade of its package, takes away the rules of moat and of Docker too',
      // Not `--now`: its stopping flushes.
      mend: ['systemctl disable nftables', 'systemctl mask nftables'],
    },
  ];
}
