// The words of `moat explain` → what is asked.
import {
  type Address,
  CT_STATES,
  type FieldValue,
  formatAddress,
  ICMP_TYPES,
  ICMPV6_TYPES,
  type IpFamily,
  PROTOCOLS,
  parseAddress,
  protocolNumber,
  type WalkHook,
} from '@moat/netfilter';
import { nearest } from '../policy/near.ts';
import type { Services } from '../policy/services.ts';
import { isLogLine, questionOfLogLine } from '../report/log-line.ts';
import type { Question } from '../report/question.ts';
import { ExitCode } from './exit-code.ts';
import { type Answer, failure } from './say.ts';
import { usage } from './usage.ts';

/** The options of the verb, as typed. */
export interface ExplainOptions {
  readonly from?: string;
  readonly to?: string;
  readonly in?: string;
  readonly out?: string;
  readonly state?: string;
  readonly sport?: string;
  readonly hook?: string;
}

/** Several questions where both families are meant. */
export type QuestionsResult =
  | { readonly ok: true; readonly questions: readonly Question[] }
  | { readonly ok: false; readonly answer: Answer };

const HOOKS: readonly WalkHook[] = ['input', 'forward', 'output'];
const WITH_PORTS: readonly number[] = [6, 17, 33, 132, 136];
const EXAMPLE = '`moat explain tcp 192.0.2.9 22`';

/** `args`: what was typed after `moat`, without options. */
export function readQuestions(
  args: readonly string[],
  options: ExplainOptions,
  services: Services,
): QuestionsResult {
  const line = args.slice(1).join(' ');
  if (isLogLine(line)) return ofLogLine(line);
  const refuse = (at: number, message: string, expected: string, hint?: string): QuestionsResult => ({
    ok: false,
    answer: usage(args, at, { message, expected, hint }),
  });
  const option = (name: keyof ExplainOptions, expected: string): QuestionsResult => {
    const message = `bad value of \`--${name}\`\n  expected: ${expected}\n  found: ${options[name] ?? '(nothing)'}`;
    return { ok: false, answer: failure(ExitCode.mistake, 'usage', message, { option: `--${name}` }) };
  };
  const [direction] = [args[1]?.toLowerCase()].filter((word) => word === 'in' || word === 'out');
  const first = direction === undefined ? 1 : 2;
  const hook = options.hook ?? (direction === 'out' ? 'output' : undefined);
  if (hook !== undefined && !HOOKS.includes(hook as WalkHook)) return option('hook', HOOKS.join(', '));
  const outgoing = hook === 'output';

  const name = args[first]?.toLowerCase();
  if (name === undefined)
    return refuse(first, 'what shall be explained is missing', `a protocol, for example ${EXAMPLE}`);
  const proto = protocolOf(name);
  if (proto === undefined) {
    const close = nearest(name, PROTOCOLS.keys());
    return refuse(
      first,
      'unknown protocol',
      'tcp, udp, sctp, icmp, icmpv6, another name, or a number from 0 to 255',
      close === undefined ? `for example ${EXAMPLE}` : `did you mean \`${close}\`?`,
    );
  }

  // The other end stands second, unless an option names it.
  const named = outgoing ? options.to : options.from;
  let at = first + 1;
  let peer: Address | undefined;
  const word = named ?? args[at];
  if (word === undefined)
    return refuse(
      at,
      `${outgoing ? 'where it goes' : 'where it comes from'} is missing`,
      'an address, or any',
      `for example ${EXAMPLE}`,
    );
  if (word.toLowerCase() !== 'any') {
    peer = parseAddress(word);
    if (peer === undefined && named !== undefined)
      return option(outgoing ? 'to' : 'from', 'an address, or any');
    if (peer === undefined) {
      const network = word.includes('/') ? 'give one address of the network' : undefined;
      return refuse(at, 'not an address', 'one address, or any', network ?? `for example ${EXAMPLE}`);
    }
  }
  if (named === undefined) at++;
  const otherOption = outgoing ? 'from' : 'to';
  const otherWord = options[otherOption];
  const other = otherWord === undefined ? undefined : parseAddress(otherWord);
  if (otherWord !== undefined && other === undefined) return option(otherOption, 'an address');
  if (peer !== undefined && other !== undefined && peer.family !== other.family)
    return option(
      otherOption,
      `an ${peer.family === 'ipv4' ? 'IPv4' : 'IPv6'} address, as ${formatAddress(peer)} is one`,
    );

  const icmpFamily: IpFamily | undefined = proto === 1 ? 'ipv4' : proto === 58 ? 'ipv6' : undefined;
  const families = familiesFor(peer?.family ?? other?.family, icmpFamily);
  if (families.length === 0) {
    const right = proto === 1 ? 'icmpv6' : 'icmp';
    return refuse(first, `${name} is not of the family of the address`, right);
  }
  const what = args[at];
  let more: Record<string, FieldValue> = {};
  if (icmpFamily !== undefined) {
    const types = icmpFamily === 'ipv4' ? ICMP_TYPES : ICMPV6_TYPES;
    const type =
      what === undefined
        ? types.get('echo-request')
        : (types.get(what.toLowerCase()) ?? smallNumber(what, 255));
    if (type === undefined)
      return refuse(at, 'unknown ICMP type', `a number, or one of ${[...types.keys()].join(', ')}`);
    more = { icmptype: type, icmpcode: 0 };
  } else if (WITH_PORTS.includes(proto)) {
    if (what === undefined) return refuse(at, 'the port is missing', 'a port, or the name of a service');
    const port = smallNumber(what, 65535) ?? servicePort(what, proto, services);
    if (port === undefined) {
      const close = nearest(what, services.byName.keys());
      return refuse(
        at,
        'not a port',
        'a number from 0 to 65535, or the name of a service',
        close === undefined ? undefined : `did you mean \`${close}\`?`,
      );
    }
    more = { dport: port };
  } else at--;
  if (args.length > at + 1)
    return refuse(at + 1, 'a word too many', `nothing after \`moat ${args.slice(0, at + 1).join(' ')}\``);

  const state = options.state ?? 'new';
  if (!CT_STATES.some((known) => known === state)) return option('state', CT_STATES.join(', '));
  if (options.sport !== undefined) {
    const sport = smallNumber(options.sport, 65535);
    if (sport === undefined || !WITH_PORTS.includes(proto))
      return option('sport', 'a port from 0 to 65535, of a protocol with ports');
    more['sport'] = sport;
  }
  const [src, dst] = outgoing ? [other, peer] : [peer, other];
  const fields: Record<string, FieldValue> = { proto, state, ...more };
  if (src !== undefined) fields['src'] = src;
  if (dst !== undefined) fields['dst'] = dst;
  if (options.in !== undefined) {
    if (outgoing) return option('in', 'no --in: what this host sends came in nowhere');
    fields['iif'] = options.in;
  }
  const at2 = (hook ?? (options.out === undefined ? undefined : 'forward')) as WalkHook | undefined;
  if (options.out !== undefined) {
    if (at2 === 'input') return option('out', 'no --out: what is for this host goes out nowhere');
    fields['oif'] = options.out;
  }
  return { ok: true, questions: families.map((family) => ({ family, hook: at2, fields })) };
}

function ofLogLine(line: string): QuestionsResult {
  const question = questionOfLogLine(line);
  if (question !== undefined) return { ok: true, questions: [question] };
  const message =
    'expected a line of the kernel log with IN=, OUT=, SRC=, DST= and PROTO= in it; some of these are missing or unreadable';
  return { ok: false, answer: failure(ExitCode.mistake, 'usage', message) };
}

function protocolOf(name: string): number | undefined {
  return protocolNumber(name) ?? smallNumber(name, 255);
}

function smallNumber(text: string, most: number): number | undefined {
  const value = Number(text);
  return /^[0-9]{1,5}$/.test(text) && value <= most ? value : undefined;
}

function servicePort(name: string, proto: number, { byName }: Services): number | undefined {
  const ports = byName.get(name.toLowerCase()) ?? [];
  const wanted = proto === 17 ? 'udp' : 'tcp';
  return (ports.find(({ protocol }) => protocol === wanted) ?? ports[0])?.port;
}

function familiesFor(of: IpFamily | undefined, icmp: IpFamily | undefined): readonly IpFamily[] {
  const all: readonly IpFamily[] = ['ipv4', 'ipv6'];
  return all.filter((family) => (of ?? family) === family && (icmp ?? family) === family);
}
