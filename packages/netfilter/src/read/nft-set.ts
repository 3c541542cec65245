// Named sets and maps in nft's JSON.
import type { Expression } from '../model/expression.ts';
import type { NamedMap, NamedSet } from '../model/set.ts';
import type { Statement } from '../model/statement.ts';
import { defined, isObject, type Json, type JsonObject, list, object, optionalNumber, text } from './json.ts';
import { readDataEntry, readExpression } from './nft-expression.ts';
import { readMapEntries, readStatement } from './nft-statement.ts';
import { readValue } from './nft-value.ts';

export function readSet(of: JsonObject): NamedSet {
  const elements = list(of['elem']);
  return { ...readDeclaration(of, elements), elements: elements.map(readValue) };
}

/** undefined when it maps to verdicts and one of them is not known. */
export function readMap(of: JsonObject): NamedMap | undefined {
  const pairs = list(of['elem']);
  const declared = readDeclaration(
    of,
    pairs.map((pair) => list(pair)[0]),
  );
  const data = list(of['map']).map(text);
  if (data.join() !== 'verdict') {
    return { ...declared, kind: 'data', data, entries: pairs.map(readDataEntry) };
  }
  const entries = readMapEntries(pairs);
  return entries === undefined ? undefined : { ...declared, kind: 'verdicts', entries };
}

function readDeclaration(of: JsonObject, elements: readonly Json[]) {
  const flags = list(of['flags']).map(text);
  const statements = readInner(of, elements);
  const timeout = optionalNumber(of['timeout']);
  const expires = elements.map((element) => optionalNumber(inner(element)['expires']));
  return defined({
    name: text(of['name']),
    type: isObject(of['type']) ? [] : list(of['type']).map(text),
    typeOf: readTypeOf(of['type']),
    interval: flags.includes('interval'),
    // nft 1.0.6 does not print the flag `dynamic`; of ours only the sets that are filled at run time have a timeout.
    dynamic: flags.includes('dynamic') || flags.includes('timeout'),
    timeout,
    timeouts: flags.includes('timeout') && timeout === undefined ? (true as const) : undefined,
    size: optionalNumber(of['size']),
    statements: statements.length === 0 ? undefined : statements,
    expires: expires.some((seconds) => seconds !== undefined) ? expires : undefined,
  });
}

/** nft 1.1: `"type": {"typeof": {"payload": …}}`. */
function readTypeOf(json: Json): Expression | undefined {
  return isObject(json) && json['typeof'] !== undefined ? readExpression(json['typeof']) : undefined;
}

/** What stands beside the value of an element. */
function inner(element: Json): JsonObject {
  return object(object(element)['elem']);
}

const ABOUT_TIME: ReadonlySet<string> = new Set(['val', 'timeout', 'expires', 'comment']);

/** The statements of the declaration; where a version does not print those, the ones of an element. */
function readInner(of: JsonObject, elements: readonly Json[]): readonly Statement[] {
  if (of['stmt'] !== undefined) return list(of['stmt']).map(readStatement);
  const carrier = elements.map(inner).find((each) => Object.keys(each).some((key) => !ABOUT_TIME.has(key)));
  return Object.entries(carrier ?? {})
    .filter(([key]) => !ABOUT_TIME.has(key))
    .map(([key, body]) => readStatement({ [key]: body }));
}
