// What is asked about one packet, and what the host itself adds: where it comes in, at which address it is dialled.
import {
  type Address,
  type FieldValue,
  type Host,
  type IpFamily,
  type PacketFields,
  type Routing,
  routePacket,
  type WalkHook,
} from '@moat/netfilter';

export interface Question {
  readonly family: IpFamily;
  /** Left out for what comes in: routing decides whether it is for this host or for another. */
  readonly hook?: WalkHook | undefined;
  /** As packet sets name them; protocols and ports as numbers. */
  readonly fields: PacketFields;
}

/**
 * The question with what a client leaves to the network: without a destination one of this host's addresses, and the
 * interfaces that routes lead to. What the host does not tell stays open.
 */
export function completeQuestion(question: Question, host: Host | undefined): Question {
  if (host === undefined) return question;
  return question.hook === 'output' ? outgoing(question, host) : incoming(question, host);
}

function incoming({ family, hook, fields }: Question, host: Host): Question {
  const { src, iif, dst } = fields as { src?: Address; iif?: string; dst?: Address };
  // Anybody comes from where strangers come from.
  const back =
    src === undefined ? defaultRoute(host, family) : routePacket(host, { family, dst: src, iif: 'lo' });
  const from = iif ?? (back?.kind === 'here' ? 'lo' : back?.kind === 'out' ? back.device : undefined);
  const preferred = back?.kind === 'out' ? back.preferredSource : undefined;
  // Who dials from here dials what it is.
  const to =
    dst ??
    (hook === 'forward'
      ? undefined
      : back?.kind === 'here'
        ? src
        : (preferred ?? dialled(host, family, from)));
  return { family, hook, fields: withKnown(fields, { iif: from, dst: to }) };
}

function outgoing({ family, hook, fields }: Question, host: Host): Question {
  const { src, oif, dst } = fields as { src?: Address; oif?: string; dst?: Address };
  const way = dst === undefined ? undefined : routePacket(host, { family, dst, src, iif: 'lo' });
  const out = oif ?? (way?.kind === 'here' ? 'lo' : way?.kind === 'out' ? way.device : undefined);
  const preferred = way?.kind === 'out' ? way.preferredSource : undefined;
  const from = src ?? (way?.kind === 'here' ? dst : (preferred ?? dialled(host, family, out)));
  return { family, hook, fields: withKnown(fields, { oif: out, src: from }) };
}

function withKnown(
  fields: PacketFields,
  more: Readonly<Record<string, FieldValue | undefined>>,
): PacketFields {
  const known = Object.entries(more).filter((each): each is [string, FieldValue] => each[1] !== undefined);
  return { ...fields, ...Object.fromEntries(known) };
}

function defaultRoute(host: Host, family: IpFamily): Routing | undefined {
  const found = host.routes.find(
    (route) => route.family === family && route.table === MAIN && route.prefix.length === 0,
  );
  const device = found?.nextHops[0]?.device;
  return device === undefined ? undefined : { kind: 'out', device };
}

/** rt_tables(5). */
const MAIN = 254;

/** The first address of the interface, or else of any but loopback, that others can dial. */
function dialled(host: Host, family: IpFamily, device: string | undefined): Address | undefined {
  const links = host.links.filter(({ loopback, up }) => up && !loopback);
  const own = links.filter(({ name }) => name === device);
  const addresses = (own.length > 0 && device !== undefined ? own : links).flatMap((link) => link.addresses);
  return addresses
    .map(({ address }) => address)
    .find((address) => address.family === family && !isLinkLocal(address));
}

/** fe80::/10; addresses of 169.254.0.0/16 are dialled like others. */
function isLinkLocal({ family, value }: Address): boolean {
  return family === 'ipv6' && value >> 118n === 0x3fan;
}
