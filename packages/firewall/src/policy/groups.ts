// `group NAME MEMBER…`, and the check that a group that a rule names exists.
import type { Prefix } from '@moat/netfilter';
import { GROUP_NAME, readPrefix } from './endpoint.ts';
import { isLikeHostName, readHostName } from './host-names.ts';
import { RESERVED } from './keywords.ts';
import type { GroupSentence } from './model.ts';
import { nearest } from './near.ts';
import type { Problem } from './problem.ts';
import { complain, isKeyword, peek, type Reader } from './reader.ts';
import type { Word } from './words.ts';

const EXPECTED_MEMBER =
  'an IPv4 or IPv6 address, a network such as 192.0.2.0/24 or 2001:db8::/32, or a name such as home.example.org';

function readName(reader: Reader): string | undefined {
  const word = peek(reader);
  if (word !== undefined) reader.at++;
  const text = word?.text ?? '';
  const expected = 'a name of up to 31 of a-z, 0-9, _ and -, beginning with a letter';
  if (RESERVED.has(text.toLowerCase())) {
    const message = `\`${text}\` is a word of the language and cannot be a group's name`;
    return complain(reader, 'group-name', word, { message, expected });
  }
  if (GROUP_NAME.test(text)) return text;
  const lower = text.toLowerCase();
  const hint = GROUP_NAME.test(lower) ? `write \`${lower}\`` : undefined;
  const message = word === undefined ? 'the name of the group is missing' : "bad group's name";
  return complain(reader, 'group-name', word, { message, expected, hint });
}

/**
 * Reads what follows `group`. A name of a service is allowed: names of groups stand only where an address may,
 * and which names are services differs from machine to machine.
 */
export function readGroup(reader: Reader): GroupSentence | undefined {
  const name = readName(reader);
  const members: Prefix[] = [];
  const names: string[] = [];
  if (peek(reader) === undefined && name !== undefined) {
    complain(reader, 'group-empty', undefined, {
      message: 'the group has no members',
      expected: 'at least one address, network or name of a host',
      hint: `write \`group ${name} ADDRESS…\``,
    });
  }
  for (let word = peek(reader); word !== undefined; word = peek(reader)) {
    reader.at++;
    if (isKeyword(word, 'any')) {
      complain(reader, 'address', word, {
        message: '`any` cannot be in a group',
        expected: EXPECTED_MEMBER,
        hint: 'write `any` in the rule instead of a group',
      });
      continue;
    }
    if (GROUP_NAME.test(word.text)) {
      complain(reader, 'address', word, {
        message: 'a name of a host has a dot in it, and a group cannot be in a group',
        expected: EXPECTED_MEMBER,
        hint: 'write the whole name, as DNS knows it, or the addresses',
      });
      continue;
    }
    if (isLikeHostName(word.text)) {
      const host = readHostName(reader, word);
      if (host !== undefined) names.push(host);
      continue;
    }
    const prefix = readPrefix(reader, word, EXPECTED_MEMBER);
    if (prefix !== undefined) members.push(prefix);
  }
  return name === undefined ? undefined : { kind: 'group', name, members, names };
}

/** A problem for each word that names a group which is not among the names. */
export function undefinedGroups(words: readonly Word[], line: number, names: Iterable<string>): Problem[] {
  const known = new Set(names);
  return words
    .filter((word) => !known.has(word.text))
    .map((word) => {
      const close = nearest(word.text, known);
      return {
        code: 'group-undefined',
        line,
        column: word.column,
        length: word.length,
        message: 'neither an address nor a group that is defined',
        expected:
          known.size === 0 || known.size > 8
            ? 'an address or a group'
            : `an address or one of ${[...known].join(', ')}`,
        found: word.text,
        hint:
          close === undefined
            ? `define it: \`group ${word.text} ADDRESS…\`, with addresses or names of hosts`
            : `did you mean \`${close}\`?`,
      };
    });
}
