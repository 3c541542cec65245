// NAT statements as steps: the first mapping of a kind that is set is the flow's.
import { CT_STATUS } from '../model/names.ts';
import type { Nat } from '../model/nat.ts';
import { bitsOf, type IpFamily } from '../net/address.ts';
import { PORT_PROTOCOLS } from '../semantics/reading.ts';
import { type Cell, cellOf, isWide, numbers, type Scalar, type Slots } from './cell.ts';
import { ownAddress } from './own-address.ts';
import {
  ACCEPT,
  BREAK,
  type Context,
  constantPart,
  DROP,
  FORK,
  LOST,
  NEXT,
  type Part,
  type Walker,
} from './step.ts';
import { type Aim, aimedCell, compileTarget } from './target.ts';

type Side = 'src' | 'dst';

export function compileNat(nat: Nat, context: Context): readonly Part[] {
  const { family, hook } = context.place;
  const wanted = nat.family === undefined ? undefined : nat.family === 'ip' ? 'ipv4' : 'ipv6';
  // nft_nat.c nft_nat_inet_eval: in a table of both families the statement is for one.
  if (wanted !== undefined && wanted !== family) return [constantPart(NEXT)];
  if (wanted === undefined && isForOther(nat, family)) return [constantPart(NEXT)];
  const target = compileTarget(nat, context);
  if (target === undefined) {
    return [{ step: () => LOST, why: { kind: 'not understood', raw: nat }, effect: true }];
  }
  const side: Side = sideOf(nat, hook);
  const translate = translator(side, nat, context);
  const own = ownAddress(nat.type, context);
  return [
    ...target.needs,
    {
      effect: true,
      why: target.why,
      step: (walker) => {
        const found = target.aim(walker);
        if (found === null) return BREAK;
        if (found.unsure) return FORK;
        const address = own?.(walker);
        if (address === null) return DROP;
        translate(walker, found.aims, address);
        return ACCEPT;
      },
      ways: (walker) => {
        const aims = target.aim(walker)?.aims ?? [];
        return [
          { outcome: ACCEPT, narrow: (each) => translate(each, aims, own?.(each) ?? undefined) },
          { outcome: BREAK },
        ];
      },
    },
  ];
}

function isForOther({ address }: Nat, family: IpFamily): boolean {
  if (address?.kind === 'address') return address.address.family !== family;
  return address?.kind === 'prefix' && address.prefix.family !== family;
}

function sideOf({ type }: Nat, hook: string): Side {
  if (type === 'dnat' || type === 'redirect') return 'dst';
  if (type === 'snat' || type === 'masquerade') return 'src';
  return hook === 'prerouting' || hook === 'output' ? 'dst' : 'src';
}

type Translate = (walker: Walker, aims: readonly Aim[], own: Cell) => void;

function translator(side: Side, nat: Nat, { slots, place: { family } }: Context): Translate {
  const bits = bitsOf(family);
  const address = slots.of(side, bits);
  const port = slots.of(side === 'src' ? 'sport' : 'dport', 16);
  const protocol = slots.of('proto', 8);
  const status = slots.of('status', 16);
  const bit = CT_STATUS.get(side === 'src' ? 'snat' : 'dnat')!;
  const type = slots.of(side === 'src' ? 'saddrtype' : 'daddrtype', 8);
  const finish = replySide(side, slots, bits);
  const ofOwn = nat.type === 'masquerade' || nat.type === 'redirect';
  const byPrefix = nat.flags.includes('netmap');
  const drawn = nat.flags.some((flag) => flag === 'random' || flag === 'fully-random');
  return (walker, aims, own) => {
    const { cells } = walker;
    const [from, fromPort] = [cells[address], cells[port]];
    const hasPorts = PORT_PROTOCOLS.includes(cells[protocol] as number);
    if (ofOwn) cells[address] = own;
    else if (byPrefix) cells[address] = mapped(cells[address], aims, bits);
    else cells[address] = aimedCell(aims, 'address', cells[address], bits);
    // The source port is another one where the old is taken.
    if (hasPorts && (side === 'src' || drawn) && aims.every((aim) => aim.port === undefined))
      cells[port] = undefined;
    else if (hasPorts) cells[port] = aimedCell(aims, 'port', cells[port], 16);
    else if (cells[protocol] === undefined) cells[port] = undefined;
    const stays = [isSame(from, cells[address]), !hasPorts || isSame(fromPort, cells[port])];
    // nf_nat_core.c nf_nat_setup_info: the bit says that the tuple is another.
    const old = cells[status];
    if (typeof old === 'number' && !stays.every((each) => each === true)) {
      cells[status] = stays.includes(false) ? old | bit : eitherOf(old, old | bit);
    }
    if (stays[0] !== true) cells[type] = nat.type === 'redirect' ? LOCAL : undefined;
    finish(cells);
    walker.mapped = true;
    walker.did?.push({ kind: 'nat', type: nat.type });
  };
}

const LOCAL = 2;

/** undefined: nobody knows. */
function isSame(before: Cell, after: Cell): boolean | undefined {
  return isScalar(before) && isScalar(after) ? before === after : undefined;
}

function eitherOf(one: number, other: number): Cell {
  return cellOf(
    numbers(
      [one, other].map((value) => ({ first: BigInt(value), last: BigInt(value) })),
      16,
    ),
  );
}

function isScalar(cell: Cell): cell is Scalar {
  return typeof cell === 'number' || typeof cell === 'bigint';
}

/** The upper bits are those of the target; the lower ones stay. */
function mapped(cell: Cell, aims: readonly Aim[], bits: number): Cell {
  const [only, ...more] = aims[0]?.address ?? [];
  if (aims.length !== 1 || only === undefined || more.length > 0 || !isScalar(cell)) return undefined;
  const [first, last] = [BigInt(only.first), BigInt(only.last)];
  const value = first | (BigInt(cell) & (first ^ last));
  return isWide(bits) ? value : Number(value);
}

/** Replies come from and go to where the packet goes now. */
function replySide(side: Side, slots: Slots, bits: number): (cells: Cell[]) => void {
  const [address, port] = side === 'dst' ? ['dst', 'dport'] : ['src', 'sport'];
  const [ofReply, portOfReply] =
    side === 'dst' ? ['reply osrc', 'reply osport'] : ['reply odst', 'reply odport'];
  const pairs = [
    [slots.of(ofReply, bits), slots.of(address, bits)],
    [slots.of(portOfReply, 16), slots.of(port, 16)],
  ] as const;
  return (cells) => {
    for (const [to, from] of pairs) cells[to] = cells[from];
  };
}
