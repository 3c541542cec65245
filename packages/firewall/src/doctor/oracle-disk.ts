// The rules of Oracle's images, behind which the machine's own disk lies (iSCSI at 169.254.0.2 and 169.254.2.0/24).
import { intervalSet, parseAddress, prefixOf, type Ruleset } from '@moat/netfilter';
import { liveAt } from '../policy/live.ts';
import { matchCovers, matchesOverlap, matchOf } from '../policy/match.ts';
import type { Policy, RuleSentence } from '../policy/model.ts';
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';

/** The chain that Oracle's images have for it, and nobody else. */
const CHAIN = 'InstanceServices';
const DISKS = '169.254.0.0/16';
const ISCSI_PORT = 3260;

export function oracleDisk({ ruleset, machine, now }: Facts): Finding[] {
  const loaded = hasChain(ruleset);
  const atBoot = machine?.files.oracleRules ?? [];
  if (!loaded && atBoot.length === 0) return [];
  const findings: Finding[] = [];
  const policy = machine?.moat.policy;
  if (policy !== undefined && !letsOut(liveAt(policy, now))) {
    findings.push({
      id: 'oracle-disk',
      severity: 'high',
      what: `this is a machine of Oracle's, and no rule allows the way to its disk (${DISKS}, port ${ISCSI_PORT}/tcp)`,
      why: 'it loses its boot volume when that connection has to be made anew, at the next boot at the latest',
      mend: [`moat allow out to ${DISKS} port ${ISCSI_PORT} proto tcp`],
    });
  }
  const [file] = atBoot;
  if (loaded && file !== undefined) return findings;
  if (machine === undefined) return findings;
  findings.push({
    id: 'oracle-disk',
    severity: 'medium',
    what: loaded
      ? `Oracle's rules (chain ${CHAIN}) are in force, and nothing loads them at boot`
      : `Oracle's rules (chain ${CHAIN}) are in ${file} and not in force: somebody flushed them`,
    why: 'they keep everybody but root from the disk of this machine; never flush iptables here',
    mend: loaded
      ? ['iptables-save -f /etc/iptables/rules.v4', 'systemctl enable netfilter-persistent']
      : [`iptables-restore --noflush ${file}`],
  });
  return findings;
}

function hasChain({ tables }: Ruleset): boolean {
  return tables.some(({ chains }) => chains.some(({ name, rules }) => name === CHAIN && rules.length > 0));
}

/** By the first sentence that is about it. */
function letsOut({ rules, groups, defaults }: Policy): boolean {
  const wanted = matchOf(TO_DISK, groups);
  for (const rule of rules) {
    const match = matchOf(rule, groups);
    if (rule.action === 'deny' || rule.action === 'reject') {
      if (matchesOverlap(match, wanted)) return false;
    } else if (matchCovers(match, wanted)) return true;
  }
  return defaults.outgoing === 'allow';
}

const EVERYWHERE = { kind: 'any' } as const;

const TO_DISK: RuleSentence = {
  kind: 'rule',
  action: 'allow',
  direction: 'out',
  interface: undefined,
  protocol: 'tcp',
  from: { address: EVERYWHERE, ports: undefined },
  to: {
    address: { kind: 'prefix', prefix: prefixOf(parseAddress('169.254.0.0')!, 16) },
    ports: intervalSet([{ first: ISCSI_PORT, last: ISCSI_PORT }]),
  },
  comment: undefined,
};
