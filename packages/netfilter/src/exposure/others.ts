// What else is let through to the host: echo requests, and protocols that have no ports.
import type { IntervalSet } from '../net/interval.ts';
import { forSome } from '../space/packet-fields.ts';
import { isEmpty, packetsWhere } from '../space/packet-set.ts';
import { splitByField } from '../space/split.ts';
import type { OtherExposure } from './kinds.ts';
import { type Asking, passages } from './passage.ts';
import { narrowed, partsByDestination, type Reached } from './reached.ts';

/** tcp, udp, sctp and icmp are told elsewhere; what no host without routers' work takes (hop-by-hop, none) is not told. */
const TOLD: Readonly<Record<'ipv4' | 'ipv6', ReadonlySet<bigint>>> = {
  ipv4: new Set([1n, 6n, 17n, 132n]),
  ipv6: new Set([6n, 17n, 58n, 132n]),
};

export function otherExposures(
  asking: Asking,
  reached: Reached,
  own: IntervalSet<bigint>,
): readonly OtherExposure[] {
  const { space, family } = asking.analysis;
  const found: OtherExposure[] = [];
  const tell = (what: OtherExposure['what'], where: Parameters<typeof packetsWhere>[1]): void => {
    const part = narrowed(reached, packetsWhere(space, where));
    if (isEmpty(part.possible)) return;
    for (const each of partsByDestination(part, own))
      for (const { example, ...passage } of passages(asking, reached, each, where))
        found.push({ ...passage, example: example.packet, what });
  };
  const echo = family === 'ipv4' ? { proto: 1, dport: 8 << 8 } : { proto: 58, dport: 128 << 8 };
  tell('echo', echo);
  const others = packetsWhere(space, { proto: othersThan(TOLD[family]) });
  const open = forSome(narrowed(reached, others).possible, ['dport']);
  for (const { values, rest } of splitByField(open, 'proto')) {
    if (!isEmpty(rest)) tell(values, { proto: values });
  }
  return found;
}

function othersThan(told: ReadonlySet<bigint>): IntervalSet<bigint> {
  const intervals: { first: bigint; last: bigint }[] = [];
  for (let n = 0n; n < 256n; n++) {
    if (told.has(n)) continue;
    const last = intervals.at(-1);
    if (last !== undefined && last.last === n - 1n) last.last = n;
    else intervals.push({ first: n, last: n });
  }
  return intervals;
}
