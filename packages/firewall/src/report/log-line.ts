// A line that a firewall rule wrote to the kernel log → the packet that it is about.
import { type FieldValue, NO_INTERFACE, parseAddress, protocolNumber } from '@moat/netfilter';
import type { Question } from './question.ts';

/** Flags as bits, fin lowest. */
const FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG'];
const SYN = 2;
const ACK = 16;

/** Whether a text looks like one (net/netfilter/nf_log_syslog.c). */
export function isLogLine(text: string): boolean {
  return /\bSRC=/.test(text) && /\bPROTO=/.test(text);
}

/** undefined: there is no packet in it. */
export function questionOfLogLine(text: string): Question | undefined {
  const begin = text.search(/\bIN=/);
  if (begin < 0) return undefined;
  // An ICMP error quotes the packet that it is about, in brackets.
  const [line = ''] = text.slice(begin).split(/ \[SRC=|\[SRC=/);
  const words = new Map(
    Array.from(line.matchAll(/\b([A-Z][A-Z0-9]*)=(\S*)/g), ([, key, value]) => [key!, value!] as const),
  );
  const [src, dst] = ['SRC', 'DST'].map((key) => parseAddress(words.get(key) ?? ''));
  const name = words.get('PROTO') ?? '';
  const proto = /^[0-9]+$/.test(name) ? Number(name) : protocolNumber(name.toLowerCase());
  if (src === undefined || dst === undefined || src.family !== dst.family || proto === undefined)
    return undefined;
  const number = (key: string): number | undefined => {
    const value = words.get(key);
    return value !== undefined && /^[0-9]+$/.test(value) ? Number(value) : undefined;
  };
  const flags = FLAGS.reduce(
    (sum, flag, bit) => (new RegExp(` ${flag}( |$)`).test(line) ? sum + (1 << bit) : sum),
    0,
  );
  const [into, out] = [words.get('IN') ?? '', words.get('OUT') ?? ''];
  const icmp = proto === 1 || proto === 58;
  const known: Record<string, FieldValue | undefined> = {
    src,
    dst,
    proto,
    iif: into === '' ? NO_INTERFACE : into,
    ...(out === '' ? {} : { oif: out }),
    ...(icmp
      ? { icmptype: number('TYPE'), icmpcode: number('CODE') }
      : { sport: number('SPT'), dport: number('DPT') }),
    ...(proto === 6 ? { tcpflags: flags } : {}),
    ttl: number('TTL') ?? number('HOPLIMIT'),
    ...(src.family === 'ipv4' ? { length: number('LEN') } : {}),
    uid: number('UID'),
    gid: number('GID'),
    state: stateOf(text.slice(0, begin), proto, flags),
  };
  const fields = Object.fromEntries(
    Object.entries(known).filter((each): each is [string, FieldValue] => each[1] !== undefined),
  );
  const hook = into === '' ? 'output' : out === '' ? undefined : 'forward';
  return { family: src.family, hook, fields };
}

/** A log line does not tell it, but rules that log invalid packets say so in their prefix. */
function stateOf(prefix: string, proto: number, flags: number): string | undefined {
  if (/invalid/i.test(prefix)) return 'invalid';
  if (proto !== 6) return 'new';
  return (flags & (SYN | ACK)) === SYN ? 'new' : undefined;
}
