// The audit of one machine, or of a dump: what can be reached, how bad that is, and what nobody could see.
import {
  type ClosedSocket,
  type Exposure,
  type Exposures,
  exposures,
  type Host,
  type OtherExposure,
  type Ruleset,
} from '@moat/netfilter';
import { type AuditInput, type NotSeen, notSeen, type Unknown, unknownOf } from './audit-gaps.ts';
import { type Finding, findingsOf } from './findings.ts';

export interface Audit {
  readonly ruleset: Ruleset;
  /** Reached by an address of the host. */
  readonly exposures: readonly Exposure[];
  /** Reached by the address of a container, past the ports that the host publishes. */
  readonly direct: readonly Exposure[];
  readonly others: readonly OtherExposure[];
  readonly closed: readonly ClosedSocket[];
  readonly findings: readonly Finding[];
  readonly unknown: readonly Unknown[];
  readonly notSeen: readonly NotSeen[];
  /** Both families were looked at: rows of one alone are worth a remark. */
  readonly bothFamilies: boolean;
}

/** A pure function of the input. */
export function auditOf(input: AuditInput): Audit {
  const { ruleset, host, snapshot } = input;
  const found = exposures({
    ruleset,
    host,
    sockets: snapshot?.sockets,
    containers: snapshot?.containers,
    networks: snapshot?.networks,
  });
  const all = found.families.flatMap((family) => family.exposures);
  return {
    ruleset,
    exposures: all.filter(({ direct }) => !direct),
    direct: all.filter(({ direct }) => direct),
    others: found.families.flatMap(({ others }) => others),
    closed: found.families.flatMap(({ closed }) => closed),
    findings: findingsOf(all),
    unknown: unknownOf(input, found),
    notSeen: notSeen(input, found),
    bothFamilies: hasBoth(found, host),
  };
}

/** A machine without an IPv6 address to dial is not told at each row that it is open in IPv4 only. */
function hasBoth({ families }: Exposures, host: Host | undefined): boolean {
  const isLinkLocal = (value: bigint): boolean => value >> 118n === 0x3fan;
  return (
    families.every(
      ({ family }) =>
        host === undefined ||
        host.links.some(
          ({ loopback, addresses }) =>
            !loopback &&
            addresses.some(
              ({ address }) =>
                address.family === family && !(family === 'ipv6' && isLinkLocal(address.value)),
            ),
        ),
    ) && families.length === 2
  );
}
