// `allow|deny|reject|limit …`: the direction, then the short form or clauses, then what they mean together.
import { type Clauses, EXPECTED_CLAUSES, readClause, takeValue } from './clauses.ts';
import { CLAUSES, LATER } from './keywords.ts';
import type { Action, EndpointAddress, RuleSentence, SentenceProtocol } from './model.ts';
import { nearest } from './near.ts';
import { settleTraffic } from './ports.ts';
import { complain, isKeyword, peek, type Reader, takeKeyword, writeInstead } from './reader.ts';
import { EXPECTED_RULE, readShortForm } from './short-form.ts';
import type { Word } from './words.ts';

const ANY: EndpointAddress = { kind: 'any' };

/** Names as ufw takes them; a `+` at the end stands for any ending. */
export function readInterface(reader: Reader, keyword: Word): string | undefined {
  const expected = 'the name of an interface: up to 15 of A-Z a-z 0-9 _ . + , = % @ -';
  const word = takeValue(reader, keyword, expected);
  if (word === undefined) return undefined;
  const { text } = word;
  const bad = (hint: string | undefined) =>
    complain(reader, 'interface', word, { message: 'bad name of an interface', expected, hint });
  if (isKeyword(word, 'any', '+')) return bad(`leave out \`on ${text}\` to mean every interface`);
  if (text === '.' || text === '..') return bad(undefined);
  if (text.includes(':'))
    return bad(`traffic of an alias is that of its interface: \`${text.split(':')[0]}\``);
  if (text.length > 15) return bad('the kernel takes no longer names');
  return /^[A-Za-z0-9_.+,=%@-]+$/.test(text) ? text : bad(undefined);
}

export function readDirection(reader: Reader, clauses: Clauses, action: Action): void {
  const word = peek(reader);
  const direction = takeKeyword(reader, 'in', 'out');
  if (direction !== undefined) clauses.direction = direction;
  if (action === 'limit' && direction === 'out') {
    complain(reader, 'limit-out', word, {
      message: '`limit` is for incoming traffic only',
      expected: '`limit` without `out`',
      hint: 'write `allow out …`, `deny out …` or `reject out …`',
    });
  }
  const on = peek(reader);
  if (takeKeyword(reader, 'on') === undefined) return;
  clauses.seen.add('on');
  clauses.interface = readInterface(reader, on!);
  if (direction === undefined) {
    const hint = `write \`${action} in on ${clauses.interface ?? 'IFACE'} …\``;
    complain(reader, 'direction', on, {
      message: '`on` needs a direction',
      expected: '`in on` or `out on`',
      hint,
    });
  }
}

function complainShort(reader: Reader, word: Word): void {
  const close = nearest(word.text, CLAUSES);
  const isPort = /^[0-9,:]+$/.test(word.text) || reader.services.byName.has(word.text);
  complain(reader, 'word', word, {
    message: isPort ? 'the short form takes no interface' : 'unknown word',
    expected: EXPECTED_CLAUSES,
    hint: isPort
      ? writeInstead(reader, word, `to any port ${word.text}`)
      : close && `did you mean \`${close}\`?`,
  });
  reader.at = reader.words.length;
}

function readBody(reader: Reader, clauses: Clauses): void {
  const first = peek(reader);
  if (first !== undefined && !isKeyword(first, ...CLAUSES, ...LATER, 'in', 'out', 'on')) {
    reader.at++;
    if (clauses.seen.has('on')) {
      complainShort(reader, first);
      return;
    }
    readShortForm(reader, clauses, first);
    clauses.seen.add('short form');
  }
  while (peek(reader) !== undefined) readClause(reader, clauses);
  const { seen } = clauses;
  if (reader.problems.length > 0) return;
  if (seen.has('from') || seen.has('to') || seen.has('on') || seen.has('short form')) return;
  complain(reader, 'rule-empty', undefined, {
    message: 'the rule does not say what it is for',
    expected: EXPECTED_RULE,
    hint: seen.has('proto') ? 'add `to any`' : undefined,
  });
}

function familyOf(address: EndpointAddress | undefined): 'ipv4' | 'ipv6' | undefined {
  return address?.kind === 'prefix' ? address.prefix.family : undefined;
}

function checkFamilies(reader: Reader, clauses: Clauses, protocol: SentenceProtocol): void {
  const { addresses, addressWords } = clauses;
  const from = familyOf(addresses.from);
  const to = familyOf(addresses.to);
  if (from !== undefined && to !== undefined && from !== to) {
    complain(reader, 'families', addressWords.to, {
      message: 'IPv4 and IPv6 in one rule',
      expected: `an ${from === 'ipv4' ? 'IPv4' : 'IPv6'} address, as after \`from\``,
      hint: 'write two rules',
    });
  }
  if ((protocol === 'igmp' || protocol === 'ipv6') && (from === 'ipv6' || to === 'ipv6')) {
    complain(reader, 'families', from === 'ipv6' ? addressWords.from : addressWords.to, {
      message: `${protocol} is carried by IPv4 only`,
      expected: 'an IPv4 address or `any`',
    });
  }
}

export function noClauses(): Clauses {
  return {
    direction: 'in',
    interface: undefined,
    protocol: undefined,
    addresses: {},
    addressWords: {},
    ports: {},
    comment: undefined,
    side: undefined,
    seen: new Set(),
  };
}

/** Reads what follows direction and interfaces, to the end: the short form or clauses, and what they mean together. */
export function readFlows(
  reader: Reader,
  clauses: Clauses,
): Pick<RuleSentence, 'protocol' | 'from' | 'to' | 'comment'> | undefined {
  readBody(reader, clauses);
  const traffic = settleTraffic(reader, clauses.protocol, clauses.ports.from, clauses.ports.to);
  if (traffic === undefined) return undefined;
  checkFamilies(reader, clauses, traffic.protocol);
  return {
    protocol: traffic.protocol,
    from: { address: clauses.addresses.from ?? ANY, ports: traffic.from },
    to: { address: clauses.addresses.to ?? ANY, ports: traffic.to },
    ...(clauses.until === undefined ? {} : { until: clauses.until }),
    comment: clauses.comment,
  };
}

/** Reads what follows the action; the reader then stands at the end. */
export function readRule(reader: Reader, action: Action): RuleSentence | undefined {
  const clauses = noClauses();
  readDirection(reader, clauses, action);
  const flows = readFlows(reader, clauses);
  if (flows === undefined) return undefined;
  return { kind: 'rule', action, direction: clauses.direction, interface: clauses.interface, ...flows };
}
