// Another program that keeps a firewall of its own on this machine, now or from the next boot on.
import { calledChains, ownerOfRule, type Ruleset } from '@moat/netfilter';
import type { Facts, LiveFacts } from './facts.ts';
import type { Finding } from './finding.ts';

interface Manager {
  readonly name: string;
  readonly services: readonly string[];
  /** Takes it out of use; `service` is the one that was found. */
  readonly stop: (service: string) => readonly string[];
}

const MANAGERS: readonly Manager[] = [
  { name: 'ufw', services: [], stop: () => ['ufw disable'] },
  { name: 'firewalld', services: ['firewalld'], stop: () => ['systemctl disable --now firewalld'] },
  {
    name: 'netfilter-persistent',
    services: ['netfilter-persistent', 'iptables', 'ip6tables'],
    // Stopping it may flush what others have in the same tables.
    stop: (service) => [`systemctl disable ${service}`],
  },
  { name: 'csf', services: ['csf', 'lfd'], stop: () => ['csf --disable', 'systemctl disable csf lfd'] },
  {
    name: 'shorewall',
    services: ['shorewall', 'shorewall6', 'shorewall-lite', 'shorewall6-lite'],
    stop: (service) => [`${service} clear`, `systemctl disable ${service}`],
  },
];

/** The services that are asked for. */
export const MANAGER_SERVICES: readonly string[] = MANAGERS.flatMap(({ services }) => services);

export function otherManagers({ ruleset, machine }: Facts): Finding[] {
  const owners = ownersIn(ruleset);
  return MANAGERS.flatMap(({ name, services, stop }): Finding[] => {
    const states = machine?.services.filter((state) => services.includes(state.name)) ?? [];
    const running = states.find((state) => state.active === true);
    const started = isOracles(name, machine) ? undefined : states.find((state) => state.atBoot);
    const active = owners.has(name) || (running !== undefined && !isOracles(name, machine));
    const atBoot = started !== undefined || (name === 'ufw' && machine?.files.ufwEnabled === true);
    if (!active && !atBoot) return [];
    const since = active ? 'two firewalls decide' : 'from the next boot on two firewalls decide';
    const service = (started ?? running)?.name ?? services[0] ?? '';
    return [
      {
        id: 'other-manager',
        severity: 'medium',
        what: `${name} is ${[active ? 'active' : '', atBoot ? 'started at boot' : ''].filter(Boolean).join(' and ')}`,
        why: `${since}: what one of them refuses stays closed, whatever the other one allows`,
        // First the new one: in between there is no moment without any.
        mend: [...(machine?.moat.active === false ? ['moat enable'] : []), ...stop(service)],
      },
    ];
  });
}

/** On a machine of Oracle's it loads the rules by which the disk is reached, and has to (`oracle-disk.ts`). */
function isOracles(name: string, machine: LiveFacts | undefined): boolean {
  return name === 'netfilter-persistent' && (machine?.files.oracleRules.length ?? 0) > 0;
}

/** Owners of rules that do more than call a chain: ufw leaves empty chains behind, with the calls to them. */
function ownersIn(ruleset: Ruleset): ReadonlySet<string> {
  const owners = new Set<string>();
  for (const table of ruleset.tables)
    for (const chain of table.chains)
      for (const rule of chain.rules)
        if (calledChains(rule, table).length === 0) owners.add(ownerOfRule(ruleset, table, chain, rule).name);
  return owners;
}
