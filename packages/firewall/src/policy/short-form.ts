// A rule's short form: `22`, `ssh`, `80,443/tcp`, then at most a comment.
import { type Clauses, readClause, readProtocol } from './clauses.ts';
import { nearest } from './near.ts';
import { readPorts } from './ports.ts';
import { complain, isKeyword, peek, type Reader, writeInstead } from './reader.ts';
import type { Word } from './words.ts';

export const EXPECTED_RULE = 'a port, a service, or `from`, `to`, `proto`, `in`, `out`';

function isAddress(text: string): boolean {
  if (/^[0-9]+(\.[0-9]+){3}(\/[0-9.]+)?$/.test(text)) return true;
  return /^[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*(\/[0-9]+)?$/i.test(text);
}

/** What can be said of a word that is plainly something else than a port; undefined if it is not. */
function complaintOf(reader: Reader, word: Word, ports: string) {
  const instead = { message: 'bad port', expected: EXPECTED_RULE };
  if (isAddress(word.text)) {
    const message = 'an address where a port was expected';
    return { ...instead, message, hint: writeInstead(reader, word, `from ${word.text}`) };
  }
  if (isKeyword(word, 'any')) return { ...instead, hint: writeInstead(reader, word, 'from any') };
  if (reader.services.byName.has(ports)) return undefined;
  const close = nearest(word.text, ['from', 'to', 'proto', 'in', 'out', 'comment']);
  if (close === undefined) return undefined;
  return { ...instead, message: 'unknown word', hint: `did you mean \`${close}\`?` };
}

/** Reads the word after the action as a port or service; only a comment may follow. */
export function readShortForm(reader: Reader, clauses: Clauses, word: Word): void {
  const slash = word.text.indexOf('/');
  const ports = slash < 0 ? word.text : word.text.slice(0, slash);
  const complaint = complaintOf(reader, word, ports);
  if (complaint !== undefined) {
    complain(reader, 'port', word, complaint);
    reader.at = reader.words.length;
    return;
  }
  const choice = readPorts(reader, word, ports, 0);
  if (choice !== undefined) clauses.ports.to = choice;
  if (slash >= 0) clauses.protocol = readProtocol(reader, word, word.text.slice(slash + 1), slash + 1);
  for (let rest = peek(reader); rest !== undefined; rest = peek(reader)) {
    if (isKeyword(rest, 'proto', 'from', 'to', 'port', 'in', 'out', 'on'))
      complainLonger(reader, rest, ports);
    else readClause(reader, clauses);
  }
}

function complainLonger(reader: Reader, word: Word, ports: string): void {
  complain(reader, 'word', word, {
    message: 'the short form ends before this word',
    expected: '`comment` or the end',
    hint: isKeyword(word, 'proto')
      ? `write \`${ports}/PROTOCOL\``
      : `write the port as \`to any port ${ports}\`, after \`in\`, \`out\` and \`on\``,
  });
  reader.at = reader.words.length;
}
