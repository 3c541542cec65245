// All that the doctor looks for, the worst first.
import type { SelfTest } from '../apply/self-test.ts';
import type { Severity } from '../report/exposed-service.ts';
import { bootRules, bootUnit, notLoaded } from './boot.ts';
import { clock } from './clock.ts';
import { dockerIptables } from './docker-iptables.ts';
import type { Facts } from './facts.ts';
import type { Check, Finding } from './finding.ts';
import { flushRuleset } from './flush-ruleset.ts';
import { ipv6Forwarding } from './ipv6-forwarding.ts';
import { kernelFeatures } from './kernel-features.ts';
import { names } from './names.ts';
import { nftRefused } from './nft-refused.ts';
import { oracleDisk } from './oracle-disk.ts';
import { otherManagers } from './other-managers.ts';
import { endingRules } from './rule-ends.ts';
import { wayBackFinding } from './self-test-finding.ts';
import { sshPorts } from './ssh-port.ts';
import { drift, interrupted, pending, tornGenerations } from './state.ts';
import { twoIptables } from './two-iptables.ts';
import { wayBackPrograms } from './way-back-programs.ts';

const CHECKS: readonly Check[] = [
  nftRefused,
  kernelFeatures,
  wayBackPrograms,
  sshPorts,
  notLoaded,
  drift,
  bootUnit,
  bootRules,
  flushRuleset,
  oracleDisk,
  pending,
  interrupted,
  otherManagers,
  twoIptables,
  dockerIptables,
  ipv6Forwarding,
  names,
  endingRules,
  clock,
  tornGenerations,
];

const ORDER: readonly Severity[] = ['high', 'medium', 'low'];

/** A pure function of the facts and of how the way back did. Worst first; among equals in a fixed order. */
export function diagnose(facts: Facts, tried?: SelfTest): readonly Finding[] {
  const found = CHECKS.flatMap((check) => check(facts));
  return [...wayBackFinding(tried, found), ...found].sort(
    (a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity),
  );
}
