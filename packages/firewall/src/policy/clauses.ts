// The clauses of a rule's full form: `from A port P to B port P proto P comment TEXT`, in any order.
import { readEnd } from './end.ts';
import { readAddress } from './endpoint.ts';
import { CLAUSES, LATER, PROTOCOLS } from './keywords.ts';
import type { EndpointAddress } from './model.ts';
import { nearest } from './near.ts';
import { type PortChoice, type ProtocolChoice, readPorts } from './ports.ts';
import {
  complain,
  complainAt,
  isKeyword,
  partOf,
  peek,
  type Reader,
  takeKeyword,
  writeInstead,
} from './reader.ts';
import type { Word } from './words.ts';

/** A rule as far as it has been read. */
export interface Clauses {
  direction: 'in' | 'out';
  interface: string | undefined;
  protocol: ProtocolChoice | undefined;
  readonly addresses: { from?: EndpointAddress; to?: EndpointAddress };
  readonly addressWords: { from?: Word; to?: Word };
  readonly ports: { from?: PortChoice; to?: PortChoice };
  comment: string | undefined;
  until?: number | undefined;
  /** What `port` belongs to. */
  side: 'from' | 'to' | undefined;
  /** Clauses that have stood already. */
  readonly seen: Set<string>;
}

export const EXPECTED_CLAUSES = '`from`, `to`, `port`, `proto`, `for`, `until`, `comment` or the end';

/** The word after a keyword, or a complaint that it is missing. */
export function takeValue(reader: Reader, keyword: Word, expected: string): Word | undefined {
  const word = peek(reader);
  if (word !== undefined) {
    reader.at++;
    return word;
  }
  const message = `something is missing after \`${keyword.text.toLowerCase()}\``;
  return complain(reader, 'missing', undefined, { message, expected });
}

/** A protocol by name: the piece `text` of the word, from `start`. */
export function readProtocol(
  reader: Reader,
  word: Word,
  text: string,
  start: number,
): ProtocolChoice | undefined {
  const protocol = PROTOCOLS.find((known) => known === text.toLowerCase());
  if (protocol !== undefined) return { protocol, word };
  const icmp = /^(ipv6-)?icmp(v6)?$/i.test(text);
  const close = icmp ? undefined : nearest(text, PROTOCOLS);
  const known = icmp ? 'the ICMP that networks need always passes: `moat show builtin`' : undefined;
  return complainAt(reader, 'protocol', partOf(word, start, start + text.length), text || '(nothing)', {
    message: text === '' ? 'the protocol is missing' : 'unknown protocol',
    expected: `one of ${PROTOCOLS.join(', ')}`,
    hint: close === undefined ? known : `did you mean \`${close}\`?`,
  });
}

function once(reader: Reader, clauses: Clauses, name: string, keyword: Word): void {
  if (clauses.seen.has(name)) {
    complain(reader, 'twice', keyword, { message: `\`${name}\` stands twice`, expected: `one \`${name}\`` });
  }
  clauses.seen.add(name);
}

function readPortClause(reader: Reader, clauses: Clauses, keyword: Word): void {
  const word = takeValue(reader, keyword, 'a port, a list, a range or a service');
  const { side } = clauses;
  if (side === undefined) {
    complain(reader, 'port-side', keyword, {
      message: '`port` belongs to `from` or `to`',
      expected: '`from ADDRESS` or `to ADDRESS` before it',
      hint: word === undefined ? undefined : `write \`to any port ${word.text}\``,
    });
    return;
  }
  if (clauses.seen.has(`port of ${side}`)) {
    complain(reader, 'twice', keyword, {
      message: `\`port\` stands twice after \`${side}\``,
      expected: `one \`port\` after \`${side}\``,
      hint: 'several ports are written as a list: 80,443',
    });
  }
  clauses.seen.add(`port of ${side}`);
  if (word === undefined || isKeyword(word, 'any')) return;
  const protocol = /^(.+)\/(tcp|udp)$/i.exec(word.text);
  if (protocol !== null) {
    complain(reader, 'port', word, {
      message: 'bad port',
      expected: 'the port alone; the protocol has a clause of its own',
      hint: writeInstead(reader, word, `${protocol[1]} proto ${protocol[2]!.toLowerCase()}`),
    });
    return;
  }
  const choice = readPorts(reader, word, word.text, 0);
  if (choice !== undefined) clauses.ports[side] = choice;
}

function readAddressClause(reader: Reader, clauses: Clauses, side: 'from' | 'to', keyword: Word): void {
  once(reader, clauses, side, keyword);
  clauses.side = side;
  const word = takeValue(reader, keyword, '`any`, an address, a network or a group');
  if (word === undefined) return;
  clauses.addressWords[side] = word;
  const address = readAddress(reader, word);
  if (address !== undefined) clauses.addresses[side] = address;
}

function readComment(reader: Reader, clauses: Clauses, keyword: Word): void {
  once(reader, clauses, 'comment', keyword);
  const word = takeValue(reader, keyword, 'a text in quotes');
  if (word === undefined) return;
  if (word.text.includes("'") && word.text.includes('"')) {
    const expected = `a text without ' or without "`;
    complain(reader, 'comment', word, { message: 'a comment cannot hold both kinds of quotes', expected });
  }
  clauses.comment = word.text === '' ? undefined : word.text;
}

function complainUnknown(reader: Reader, word: Word): void {
  if (isKeyword(word, ...LATER)) {
    const message = `\`${word.text.toLowerCase()}\` is not supported yet`;
    complain(reader, 'not-yet', word, { message, expected: EXPECTED_CLAUSES });
    return;
  }
  const misplaced = isKeyword(word, 'in', 'out', 'on');
  const close = misplaced ? undefined : nearest(word.text, CLAUSES);
  complain(reader, 'word', word, {
    message: misplaced ? `\`${word.text}\` does not belong here` : 'unknown word',
    expected: EXPECTED_CLAUSES,
    hint: misplaced
      ? '`in on IFACE` or `out on IFACE` comes right after the action'
      : close && `did you mean \`${close}\`?`,
  });
}

/** Reads the next clause; after a word that makes the rest unclear the reader stands at the end. */
export function readClause(reader: Reader, clauses: Clauses): void {
  const keyword = peek(reader)!;
  const clause = takeKeyword(reader, ...CLAUSES);
  switch (clause) {
    case 'from':
    case 'to':
      readAddressClause(reader, clauses, clause, keyword);
      break;
    case 'port':
      readPortClause(reader, clauses, keyword);
      break;
    case 'proto': {
      once(reader, clauses, clause, keyword);
      const word = takeValue(reader, keyword, `one of ${PROTOCOLS.join(', ')}`);
      if (word !== undefined) clauses.protocol = readProtocol(reader, word, word.text, 0);
      break;
    }
    case 'for':
    case 'until':
      once(reader, clauses, 'until', keyword);
      reader.at--;
      clauses.until = readEnd(reader);
      break;
    case 'comment':
      readComment(reader, clauses, keyword);
      break;
    case undefined:
      complainUnknown(reader, keyword);
      reader.at = reader.words.length;
      break;
    default:
      clause satisfies never;
  }
}
