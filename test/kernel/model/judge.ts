// Judge: a model of the rules, held against the kernel packet by packet.
import type { Ruleset } from '@moat/netfilter';
import type { Injector, KernelVerdict } from '../../../lab/inject.ts';
import {
  completePacket,
  icmpProtocol,
  type KernelPacket,
  numberIn,
  type ProbeDevice,
} from '../../../lab/probe.ts';

/** `unknown`: it depends on what nobody can know from packet, rules and host. */
export type Judgement = 'accept' | 'drop' | 'reject' | 'unknown';

/** Says what the kernel will do with a packet; packets are complete (see `completePacket`). */
export type Judge = (packet: KernelPacket) => Judgement;

/** Makes a judge for a ruleset as the kernel lists it, on a host with these interfaces. */
export type Court = {
  readonly name: string;
  judge(ruleset: Ruleset, devices: readonly ProbeDevice[]): Judge;
};

export type Difference = {
  readonly court: string;
  readonly packet: KernelPacket;
  readonly kernel: KernelVerdict;
  readonly judged: Judgement;
};

/** What a comparison found. `unknown`: court → packets of which it does not know; `verdicts`: the kernel's, counted. */
export type Comparison = {
  readonly packets: number;
  readonly differences: readonly Difference[];
  readonly unknown: ReadonlyMap<string, number>;
  readonly verdicts: ReadonlyMap<KernelVerdict, number>;
};

/** Injects packets into the ruleset that is loaded, and asks every court about each. */
export async function compare(
  injector: Injector,
  ruleset: Ruleset,
  courts: readonly Court[],
  packets: readonly KernelPacket[],
): Promise<Comparison> {
  const complete = packets.map((packet) => completePacket(packet, injector.devices));
  const kernel = await injector.inject(complete);
  const differences: Difference[] = [];
  const unknown = new Map<string, number>();
  const verdicts = new Map<KernelVerdict, number>();
  for (const verdict of kernel) verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
  const rewrites = rewritesDestinations(ruleset);
  for (const { name, judge } of courts) {
    const ask = judge(ruleset, injector.devices);
    for (const [i, packet] of complete.entries()) {
      if (kernel[i] === 'lost') continue;
      const judged = ask(packet);
      if (judged === 'unknown') unknown.set(name, (unknown.get(name) ?? 0) + 1);
      else if (!agree(packet, kernel[i]!, judged, rewrites))
        differences.push({ court: name, packet, kernel: kernel[i]!, judged });
    }
  }
  return { packets: packets.length, differences, unknown, verdicts };
}

function agree(packet: KernelPacket, kernel: KernelVerdict, judged: Judgement, rewrites: boolean): boolean {
  if (kernel === judged) return true;
  return kernel === 'drop' && judged === 'reject' && !isAnswered(packet, rewrites);
}

/** ICMP types that are no errors to the kernel (icmp.c icmp_pointers). */
const ICMP_QUESTIONS = [0, 8, 13, 14, 15, 16, 17, 18];

/**
 * Whether a rejection of the packet is sure to be seen. The kernel does not answer a reset, an ICMP error, or what is not
 * for one host (RFC 1122 3.2.2, RFC 4443 2.4); and it cannot answer by ICMP for an IPv4 address that is not its own,
 * though it took the packet in (icmp.c asks for a route from that address).
 */
function isAnswered({ family, hook, fields }: KernelPacket, rewrites: boolean): boolean {
  if (fields['pkttype'] !== 'host' || fields['saddrtype'] !== 'unicast') return false;
  switch (fields['proto']) {
    case 6:
      if ((numberIn(fields, 'tcpflags') & 4) !== 0) return false;
      break;
    case 17:
      break;
    case icmpProtocol(family): {
      const type = numberIn(fields, 'icmptype');
      if (family === 'ipv6' ? type < 128 : !ICMP_QUESTIONS.includes(type)) return false;
      break;
    }
    default:
      // The kernel looks for a checksum in protocols that it does not know (nf_reject_ipv4.c, nf_reject_ipv6.c).
      return false;
  }
  if (fields['daddrtype'] !== 'local' && fields['daddrtype'] !== 'unicast') return false;
  return family === 'ipv6' || hook !== 'input' || (fields['daddrtype'] === 'local' && !rewrites);
}

/** Whether some rule sends packets to other destinations than their own. */
export function rewritesDestinations(ruleset: Ruleset): boolean {
  return ruleset.tables.some(({ chains }) =>
    chains.some(({ rules }) =>
      rules.some(({ statements }) =>
        statements.some(
          (statement) =>
            statement.kind === 'nat' && statement.type !== 'snat' && statement.type !== 'masquerade',
        ),
      ),
    ),
  );
}
