// What is worth a remark among the things that strangers can reach: databases, remote control, what amplifies attacks.
import type { Exposure, Places } from '@moat/netfilter';
import { type Service, type Severity, serviceOf } from './exposed-service.ts';
import { isPublic } from './public-sources.ts';

export interface Finding {
  readonly severity: Severity;
  /** `redis-server`, `container web:80`. */
  readonly service: string;
  readonly proto: Exposure['proto'];
  readonly port: number;
  readonly families: readonly Exposure['family'][];
  readonly from: Places;
  readonly why: string;
  /** What one types to mend it. */
  readonly mend: string;
}

const ORDER: readonly Severity[] = ['high', 'medium', 'low'];

/** One for each port and service that is open to more than private networks or single addresses; worst first. */
export function findingsOf(exposures: readonly Exposure[]): readonly Finding[] {
  const found = new Map<string, Finding>();
  for (const exposure of exposures) {
    const { proto, ports, from, family, reaches, direct } = exposure;
    const nobody = reaches.kind === 'none' && reaches.unseen !== true && reaches.forwardedTo === undefined;
    if (nobody || direct || ports.first !== ports.last || !isPublic(family, from)) continue;
    const service = serviceOf(reaches, proto, ports.first);
    if (service === undefined) continue;
    const key = `${service.name} ${proto} ${ports.first}`;
    const known = found.get(key);
    const families = [...new Set([...(known?.families ?? []), family])];
    found.set(key, known === undefined ? findingOf(service, exposure) : { ...known, families });
  }
  return [...found.values()].sort(
    (a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity) || a.port - b.port,
  );
}

function findingOf(
  { name, severity, why, keep }: Service,
  { proto, ports, family, from }: Exposure,
): Finding {
  const port = ports.first;
  const mend =
    keep === 'limit'
      ? `moat limit ${port}/${proto}`
      : keep === 'some'
        ? `moat allow from ADDRESS to any port ${port} proto ${proto}`
        : `moat deny ${port}/${proto}`;
  return { severity, service: name, proto, port, families: [family], from, why, mend };
}
