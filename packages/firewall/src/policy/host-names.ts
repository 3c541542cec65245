// Names of hosts, which may stand in groups: DNS says which addresses they are.
import type { Prefix } from '@moat/netfilter';
import type { Policy } from './model.ts';
import { complain, type Reader, writeInstead } from './reader.ts';
import type { Word } from './words.ts';

/** Name → its addresses, as they were last answered; a name that was never answered is absent or has none. */
export type HostAnswers = ReadonlyMap<string, readonly Prefix[]>;

export const NO_ANSWERS: HostAnswers = new Map();

/**
 * Whether a word is meant for the name of a host: dots, and after the last one no digit. So neither a mistyped address nor a
 * word without a dot, which may be a mistyped group, is ever looked up.
 */
export function isLikeHostName(text: string): boolean {
  return /^[^/:,%!]*\.[^/:,%!.0-9][^/:,%!.]*\.?$/.test(text);
}

/**
 * The name in lower case. RFC 1123 §2.1: letters, digits and `-` between them, 63 to a part; RFC 1035 §2.3.4: 253 in all. Names
 * in other letters are written as DNS has them, `xn--…` (RFC 5890).
 */
export function readHostName(reader: Reader, word: Word): string | undefined {
  const name = word.text.toLowerCase();
  const hint = mistakeIn(reader, word, name);
  if (hint === undefined) return name;
  return complain(reader, 'host-name', word, {
    message: 'bad name of a host',
    expected: 'a name such as home.example.org: parts of a-z, 0-9 and -, up to 63 each, with dots between',
    hint,
  });
}

function mistakeIn(reader: Reader, word: Word, name: string): string | undefined {
  if (name.endsWith('.')) return writeInstead(reader, word, name.slice(0, -1));
  if (/[^ -~]/.test(name)) return 'write it as DNS has it, in ASCII: `xn--…`';
  if (name.length > 253) return `it has ${name.length} characters, and 253 is the most`;
  for (const part of name.split('.')) {
    if (part === '') return 'there is nothing between two dots, or before the first';
    if (part.length > 63) return `\`${part.slice(0, 16)}…\` has ${part.length} characters`;
    const odd = /[^a-z0-9-]/.exec(part);
    if (odd !== null) return `\`${odd[0]}\` cannot be in a name`;
    if (part.startsWith('-') || part.endsWith('-')) return `\`${part}\` begins or ends with -`;
  }
  return undefined;
}

/** All names of all groups, each once. */
export function hostNamesOf({ groups }: Policy): string[] {
  return [...new Set([...groups.values()].flatMap(({ names }) => names))];
}
