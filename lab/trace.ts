// Trace: what the kernel says of a packet's way through the rules of nf_tables (NFT_MSG_TRACE), read from its messages.
import { PROBE_TABLE } from './probe-rules.ts';

/**
 * One step: a rule that the packet matched in full, or the policy or the end of a chain. `verdict` in nft's words, with
 * `target` behind a jump or goto.
 */
export type TraceStep = {
  readonly kind: 'rule' | 'return' | 'policy';
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** The rule's; absent at a policy and at the end of a chain. */
  readonly handle?: number;
  readonly verdict: string;
  readonly target?: string;
};

/** enum nft_trace_attributes and the verdict codes of include/uapi/linux/netfilter/nf_tables.h. */
const ATTRIBUTE = { table: 1, chain: 2, handle: 3, type: 4, verdict: 5, id: 6, policy: 16 } as const;
const KINDS = ['policy', 'policy', 'return', 'rule'] as const;
const VERDICTS: ReadonlyMap<number, string> = new Map([
  [0, 'drop'],
  [1, 'accept'],
  [2, 'stolen'],
  [3, 'queue'],
  [-1, 'continue'],
  [-2, 'break'],
  [-3, 'jump'],
  [-4, 'goto'],
  [-5, 'return'],
]);
const FAMILIES: ReadonlyMap<number, string> = new Map([
  [1, 'inet'],
  [2, 'ip'],
  [10, 'ip6'],
]);

/**
 * The steps of each of `count` packets, out of what inject.c gathered: number of the packet, length, netlink messages. Only
 * the packet's own: an answer to it has another trace id. The rules that note packets are left out.
 */
export function readTrace(data: Buffer, count: number): TraceStep[][] {
  const steps = Array.from({ length: count }, (): TraceStep[] => []);
  const ids = new Array<number | undefined>(count);
  for (let at = 0; at + 8 <= data.length; ) {
    const number = data.readUInt32LE(at);
    const end = at + 8 + data.readUInt32LE(at + 4);
    for (let message = at + 8; message + 20 <= end; ) {
      const length = data.readUInt32LE(message);
      const { id, step } = readMessage(data.subarray(message, message + length));
      ids[number] ??= id;
      if (ids[number] === id && step !== undefined) steps[number]!.push(step);
      message += (length + 3) & ~3;
    }
    at = end;
  }
  return steps;
}

function readMessage(message: Buffer): { id: number | undefined; step: TraceStep | undefined } {
  const family = FAMILIES.get(message[16]!) ?? String(message[16]);
  const attributes = readAttributes(message.subarray(20));
  const text = (key: keyof typeof ATTRIBUTE): string => {
    const bytes = attributes.get(ATTRIBUTE[key]);
    return bytes === undefined ? '' : bytes.toString('latin1').replace(/\0.*$/, '');
  };
  const id = attributes.get(ATTRIBUTE.id)?.readUInt32BE(0);
  const kind = KINDS[attributes.get(ATTRIBUTE.type)?.readUInt32BE(0) ?? 0] ?? 'policy';
  const table = text('table');
  if (table === PROBE_TABLE) return { id, step: undefined };
  const policy = attributes.get(ATTRIBUTE.policy);
  const nested = attributes.get(ATTRIBUTE.verdict);
  const of = nested === undefined ? undefined : readAttributes(nested);
  const code = kind === 'policy' && policy !== undefined ? policy.readInt32BE(0) : of?.get(1)?.readInt32BE(0);
  const target = of?.get(2)?.toString('latin1').replace(/\0.*$/, '');
  const handle = attributes.get(ATTRIBUTE.handle)?.readBigUInt64BE(0);
  const step: TraceStep = {
    kind,
    family,
    table,
    chain: text('chain'),
    verdict: code === undefined ? 'continue' : (VERDICTS.get(code) ?? String(code)),
    ...(handle === undefined ? {} : { handle: Number(handle) }),
    ...(target === undefined ? {} : { target }),
  };
  return { id, step };
}

/** Netlink attributes by type: length (16 bits), type, value, padding to 4 bytes. */
function readAttributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4) break;
    found.set(bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}
