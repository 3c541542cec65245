// `expect allow|deny|reject …`: what must hold of all flows of a shape, in the words of a rule.
import type { Clauses } from './clauses.ts';
import { VERDICTS } from './keywords.ts';
import type { ExpectSentence, Traffic } from './model.ts';
import { nearest } from './near.ts';
import { complain, isKeyword, peek, type Reader, takeKeyword } from './reader.ts';
import { noClauses, readDirection, readFlows, readInterface } from './rule.ts';

type Interfaces = Pick<ExpectSentence, 'inInterface' | 'outInterface'>;

function complainVerdict(reader: Reader): undefined {
  const word = peek(reader);
  if (isKeyword(word, 'limit')) {
    return complain(reader, 'expect-limit', word, {
      message: '`limit` cannot be expected',
      expected: '`allow`, `deny` or `reject`',
      hint: 'write `expect allow …`: what is limited is let in, unless too many come at once',
    });
  }
  const close = nearest(word?.text ?? '', [...VERDICTS, 'route']);
  return complain(reader, 'expect', word, {
    message: word === undefined ? 'what is expected is missing' : 'bad expectation',
    expected:
      '`allow`, `deny` or `reject` (before it `route` for what passes through), then flows as in a rule',
    hint: close === undefined ? undefined : `did you mean \`${close}\`?`,
  });
}

/** `in on eth1 out on eth2`: either, both or none, in any order. */
function readRoute(reader: Reader, clauses: Clauses): Interfaces {
  const interfaces: { in?: string | undefined; out?: string | undefined } = {};
  for (let word = peek(reader); isKeyword(word, 'in', 'out'); word = peek(reader)) {
    const side = takeKeyword(reader, 'in', 'out')!;
    const on = peek(reader);
    if (takeKeyword(reader, 'on') === undefined) {
      complain(reader, 'route', on, {
        message: `\`route\` has no direction: \`${side}\` must name an interface`,
        expected: `\`${side} on IFACE\``,
      });
      reader.at = reader.words.length;
      break;
    }
    if (side in interfaces) {
      complain(reader, 'twice', word, {
        message: `\`${side} on\` stands twice`,
        expected: `one \`${side} on\``,
      });
    }
    clauses.seen.add('on');
    interfaces[side] = readInterface(reader, on!);
  }
  return { inInterface: interfaces.in, outInterface: interfaces.out };
}

/** Reads what follows `expect`; the reader then stands at the end. */
export function readExpectation(reader: Reader): ExpectSentence | undefined {
  const routed = takeKeyword(reader, 'route') !== undefined;
  const verdict = takeKeyword(reader, ...VERDICTS);
  if (verdict === undefined) return complainVerdict(reader);
  const clauses = noClauses();
  let traffic: Traffic = 'routed';
  let interfaces: Interfaces;
  if (routed) {
    interfaces = readRoute(reader, clauses);
  } else {
    readDirection(reader, clauses, verdict);
    const isIn = clauses.direction === 'in';
    traffic = isIn ? 'incoming' : 'outgoing';
    interfaces = {
      inInterface: isIn ? clauses.interface : undefined,
      outInterface: isIn ? undefined : clauses.interface,
    };
  }
  const flows = readFlows(reader, clauses);
  if (clauses.until !== undefined) {
    return complain(
      reader,
      'expect-until',
      reader.words.find((word) => isKeyword(word, 'for', 'until')),
      {
        message: 'an expectation has no end',
        expected: 'the flows alone',
        hint: 'what is expected of a policy is asked each time that it is applied, with the rules that hold then',
      },
    );
  }
  return flows === undefined ? undefined : { kind: 'expect', verdict, traffic, ...interfaces, ...flows };
}
