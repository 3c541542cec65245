// Ports in a sentence: numbers, ranges, lists, names of services; and the protocol that follows from them.
import { type Interval, type IntervalSet, intervalSet } from '@moat/netfilter';
import type { SentenceProtocol } from './model.ts';
import { nearest } from './near.ts';
import { type Complaint, complain, complainAt, partOf, type Reader, writeInstead } from './reader.ts';
import type { ServicePort } from './services.ts';
import type { Word } from './words.ts';

/** Ports as written: the port of a service depends on the protocol, which other words may decide. */
export type PortChoice =
  | { readonly kind: 'numbers'; readonly ports: IntervalSet<number>; readonly word: Word }
  | {
      readonly kind: 'service';
      readonly entries: readonly ServicePort[];
      readonly name: string;
      readonly word: Word;
    };

/** `proto P` or `/P` as written. */
export interface ProtocolChoice {
  readonly protocol: SentenceProtocol;
  readonly word: Word;
}

const EXPECTED_PORT = 'a port from 1 to 65535 without leading zeros';
const EXPECTED_PORTS = `${EXPECTED_PORT}, a range 8080:8090, a list 80,443, or the name of a service`;

/** The piece `text` of `word`, which begins there at `start`. */
interface Piece {
  readonly word: Word;
  readonly text: string;
  readonly start: number;
}

function badPort(
  reader: Reader,
  { word, text, start }: Piece,
  expected: string,
  replacement?: string,
): undefined {
  const whole = word.text;
  const fixed =
    replacement === undefined
      ? undefined
      : whole.slice(0, start) + replacement + whole.slice(start + text.length);
  complainAt(reader, 'port', partOf(word, start, start + text.length), text || '(nothing)', {
    message: 'bad port',
    expected,
    hint: fixed === undefined ? undefined : writeInstead(reader, word, fixed),
  });
}

function readNumber(reader: Reader, piece: Piece): number | undefined {
  const { text } = piece;
  const value = Number(text);
  if (/^[1-9][0-9]{0,4}$/.test(text) && value <= 65535) return value;
  const plain = /^0+[1-9][0-9]{0,4}$/.test(text) && value <= 65535 ? String(value) : undefined;
  return badPort(reader, piece, EXPECTED_PORT, plain);
}

function readItem(reader: Reader, piece: Piece): Interval<number> | undefined {
  const { word, text, start } = piece;
  const colon = text.indexOf(':');
  if (colon >= 0) {
    const first = readNumber(reader, { word, text: text.slice(0, colon), start });
    const last = readNumber(reader, { word, text: text.slice(colon + 1), start: start + colon + 1 });
    if (first === undefined || last === undefined) return undefined;
    if (first < last) return { first, last };
    const expected = 'a range FIRST:LAST with FIRST below LAST';
    return badPort(reader, piece, expected, first === last ? String(first) : `${last}:${first}`);
  }
  if (/^[0-9]+-[0-9]+$/.test(text)) {
    return badPort(reader, piece, 'a range written FIRST:LAST', text.replace('-', ':'));
  }
  if (text !== '' && /^[^0-9]/.test(text) && word.text.includes(',')) {
    return badPort(reader, piece, 'only numbers and ranges in a list', servicePort(reader, text));
  }
  const value = readNumber(reader, piece);
  return value === undefined ? undefined : { first: value, last: value };
}

function servicePort(reader: Reader, name: string): string | undefined {
  const entry = reader.services.byName.get(name)?.[0];
  return entry === undefined ? undefined : String(entry.port);
}

/** Reads `80`, `80,443,8080:8090` or `ssh`: the piece `text` of the word, from `start`. */
export function readPorts(reader: Reader, word: Word, text: string, start: number): PortChoice | undefined {
  if (/^[A-Za-z]/.test(text) && !text.includes(',')) return readService(reader, { word, text, start });
  if (text === '' || !/^[0-9,:-]/.test(text)) {
    const entries = reader.services.byName.get(text);
    if (entries !== undefined) return { kind: 'service', entries, name: text, word };
    if (!text.includes(',')) return badPort(reader, { word, text, start }, EXPECTED_PORTS);
  }
  const intervals: Interval<number>[] = [];
  let bad = false;
  let from = start;
  for (const item of text.split(',')) {
    const interval = readItem(reader, { word, text: item, start: from });
    if (interval === undefined) bad = true;
    else intervals.push(interval);
    from += item.length + 1;
  }
  return bad ? undefined : { kind: 'numbers', ports: intervalSet(intervals), word };
}

function readService(reader: Reader, { word, text, start }: Piece): PortChoice | undefined {
  const entries = reader.services.byName.get(text);
  if (entries !== undefined) return { kind: 'service', entries, name: text, word };
  const close = nearest(text, reader.services.byName.keys());
  return complainAt(reader, 'service', partOf(word, start, start + text.length), text, {
    message: 'unknown service',
    expected: EXPECTED_PORTS,
    hint: close === undefined ? undefined : `did you mean \`${close}\`?`,
  });
}

/** What a sentence means once protocol and ports are both known. */
export interface Traffic {
  readonly protocol: SentenceProtocol;
  readonly from: IntervalSet<number> | undefined;
  readonly to: IntervalSet<number> | undefined;
}

function protocolsOf(choice: PortChoice | undefined): readonly ('tcp' | 'udp')[] {
  return choice?.kind === 'service' ? choice.entries.map((entry) => entry.protocol) : ['tcp', 'udp'];
}

function mismatch(reader: Reader, choice: PortChoice, wanted: string): undefined {
  const has = protocolsOf(choice).join(' and ');
  const complaint: Complaint = {
    message: 'the service does not have this protocol',
    expected: `a service or port of ${wanted}`,
    hint: `\`${choice.word.text.replace(/\/.*/, '')}\` is ${has} only; write the port as a number if you mean it`,
  };
  return complain(reader, 'protocol-mismatch', choice.word, complaint);
}

/** The ports that a choice means under a protocol; undefined after a complaint. */
function portsFor(
  reader: Reader,
  choice: PortChoice,
  protocol: 'any' | 'tcp' | 'udp',
): IntervalSet<number> | undefined {
  if (choice.kind === 'numbers') {
    const [only, more] = choice.ports;
    if (protocol !== 'any' || (more === undefined && only?.first === only?.last)) return choice.ports;
    return complain(reader, 'need-protocol', choice.word, {
      message: 'several ports need a protocol',
      expected: '`tcp` or `udp` with a list or a range',
      hint: 'add `/tcp` or `/udp` (with `from` or `to`: `proto tcp` or `proto udp`)',
    });
  }
  const ports = choice.entries.filter((entry) => protocol === 'any' || entry.protocol === protocol);
  if (new Set(ports.map((entry) => entry.port)).size === 1) {
    return ports.slice(0, 1).map(({ port }) => ({ first: port, last: port }));
  }
  return complain(reader, 'need-protocol', choice.word, {
    message: `tcp and udp have different ports for \`${choice.name}\``,
    expected: 'the port as a number, or the protocol',
    hint: ports.map((entry) => `${entry.port}/${entry.protocol}`).join(', '),
  });
}

/**
 * Settles the protocol: what is written, else what the services have in common (`ssh` is tcp; 53 is any, which
 * with ports means tcp and udp). Gives undefined after a complaint if nothing fits.
 */
export function settleTraffic(
  reader: Reader,
  written: ProtocolChoice | undefined,
  from: PortChoice | undefined,
  to: PortChoice | undefined,
): Traffic | undefined {
  const choices = [from, to].filter((choice) => choice !== undefined);
  const asked = written?.protocol ?? 'any';
  if (asked !== 'any' && asked !== 'tcp' && asked !== 'udp') {
    if (choices.length === 0) return { protocol: asked, from: undefined, to: undefined };
    return complain(reader, 'port-with-protocol', choices[0]!.word, {
      message: `${asked} has no ports`,
      expected: `no port with ${asked}, or a protocol that has ports: tcp, udp`,
    });
  }
  if (choices.length === 0) return { protocol: asked, from: undefined, to: undefined };
  let possible: readonly ('tcp' | 'udp')[] = asked === 'any' ? ['tcp', 'udp'] : [asked];
  for (const choice of choices) {
    const wanted = possible.join(' or ');
    possible = possible.filter((protocol) => protocolsOf(choice).includes(protocol));
    if (possible.length === 0) return mismatch(reader, choice, wanted);
  }
  const protocol = possible.length === 2 ? 'any' : possible[0]!;
  const [fromPorts, toPorts] = [from, to].map((choice) => choice && portsFor(reader, choice, protocol));
  if ((from && !fromPorts) || (to && !toPorts)) return undefined;
  return { protocol, from: fromPorts, to: toPorts };
}
