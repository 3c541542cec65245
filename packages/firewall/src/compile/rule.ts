// A block → the nft rule that says it: constants first, then one set or verdict map over its keys.
import {
  type Expression,
  intervalPrefixes,
  type MapEntry,
  meta,
  number,
  payload,
  prefixInterval,
  type Rule,
  type SetSource,
  type Statement,
  symbol,
  type Value,
} from '@moat/netfilter';
import type { Atom, Coordinate, Dimension, Shape } from './atom.ts';
import { type Block, verdictText } from './block.ts';
import { gateStatement } from './gate.ts';
import { firstWins } from './line.ts';

/** Which interface a sentence's `on` means: where the packet came in or where it goes out. */
export type InterfaceKey = 'iifname' | 'oifname';

export function ruleOf(block: Block, interfaceKey: InterfaceKey): Rule {
  const { shape } = block;
  const entries = block.shape.dimensions.length === 1 ? lineEntries(block) : spaceEntries(block);
  const statements = [...constants(shape, interfaceKey)];
  const verdicts = new Set(block.atoms.map(({ verdict }) => verdictText(verdict)));
  const key = keyExpression(shape);
  if (key !== undefined && verdicts.size > 1) {
    statements.push({ kind: 'vmap', key, map: { kind: 'entries', entries } });
  } else {
    if (key !== undefined) {
      statements.push({ kind: 'match', operator: '==', left: key, right: setOf(entries) });
    }
    statements.push({ kind: 'counter', packets: 0, bytes: 0 });
    statements.push({ kind: 'verdict', verdict: block.atoms[0]!.verdict });
  }
  return { comment: commentOf(block.atoms), statements };
}

/** `moat:1f3a5c70`, and how many other sentences share the rule: `moat:1f3a5c70+4`. */
function commentOf(atoms: readonly Atom[]): string {
  const ids = new Set(atoms.map(({ ruleId }) => ruleId));
  const first = atoms[0]!.ruleId;
  return ids.size === 1 ? `moat:${first}` : `moat:${first}+${ids.size - 1}`;
}

function constants(shape: Shape, interfaceKey: InterfaceKey): Statement[] {
  const statements: Statement[] = [];
  const equal = (left: Expression, right: Value | SetSource): void => {
    statements.push({ kind: 'match', operator: '==', left, right });
  };
  if (shape.gate !== undefined) statements.push(gateStatement(shape.gate));
  if (shape.interface !== undefined) {
    equal(meta(interfaceKey), symbol(shape.interface.replace(/\+$/, '*')));
  }
  const { dimensions } = shape;
  const addresses = dimensions.includes('saddr') || dimensions.includes('daddr');
  const groups = shape.fromSet !== undefined || shape.toSet !== undefined;
  // A payload match implies its protocol; where there is none the protocol is said.
  if (shape.family !== undefined && !addresses && !groups) equal(meta('nfproto'), symbol(shape.family));
  if (shape.protocol !== undefined && !dimensions.includes('sport') && !dimensions.includes('dport')) {
    equal(meta('l4proto'), symbol(shape.protocol));
  }
  if (shape.family !== undefined) {
    const ip = ipOf(shape);
    if (shape.fromSet !== undefined) equal(payload(ip, 'saddr'), { kind: 'named', name: shape.fromSet });
    if (shape.toSet !== undefined) equal(payload(ip, 'daddr'), { kind: 'named', name: shape.toSet });
  }
  return statements;
}

function ipOf(shape: Shape): 'ip' | 'ip6' {
  return shape.family === 'ipv6' ? 'ip6' : 'ip';
}

function keyExpression(shape: Shape): Expression | undefined {
  const parts = shape.dimensions.map((dimension) => fieldOf(shape, dimension));
  return parts.length <= 1 ? parts[0] : { kind: 'concat', parts };
}

function fieldOf(shape: Shape, dimension: Dimension): Expression {
  const address = dimension === 'saddr' || dimension === 'daddr';
  return payload(address ? ipOf(shape) : (shape.protocol ?? 'th'), dimension);
}

function setOf(entries: readonly MapEntry[]): Value | SetSource {
  const [only] = entries;
  if (entries.length === 1 && only !== undefined && only.key.kind !== 'concat') return only.key;
  return { kind: 'elements', elements: entries.map(({ key }) => key) };
}

function spaceEntries(block: Block): MapEntry[] {
  return block.atoms.map(({ key, verdict }) => {
    const parts = key.map(coordinateValue);
    return { key: parts.length === 1 ? parts[0]! : { kind: 'concat', parts }, verdict };
  });
}

function lineEntries(block: Block): MapEntry[] {
  const pieces = block.atoms.map((atom) => ({ interval: coordinateInterval(atom.key[0]!), owner: atom }));
  const isPorts = block.atoms[0]?.key[0]?.kind === 'ports';
  return firstWins(pieces, ({ verdict }) => verdictText(verdict)).flatMap(
    ({ interval, owner }): MapEntry[] => {
      const { verdict } = owner;
      if (isPorts) {
        return [{ key: portValue(Number(interval.first), Number(interval.last)), verdict }];
      }
      const family = block.shape.family ?? 'ipv4';
      return intervalPrefixes(family, interval).map((prefix) => ({
        key: prefixValue({ kind: 'prefix', prefix }),
        verdict,
      }));
    },
  );
}

function coordinateInterval(coordinate: Coordinate): { first: bigint; last: bigint } {
  return coordinate.kind === 'prefix'
    ? prefixInterval(coordinate.prefix)
    : { first: BigInt(coordinate.ports.first), last: BigInt(coordinate.ports.last) };
}

function coordinateValue(coordinate: Coordinate): Value {
  return coordinate.kind === 'prefix'
    ? prefixValue(coordinate)
    : portValue(coordinate.ports.first, coordinate.ports.last);
}

function prefixValue(coordinate: Extract<Coordinate, { kind: 'prefix' }>): Value {
  return { kind: 'prefix', prefix: coordinate.prefix };
}

function portValue(first: number, last: number): Value {
  return first === last ? number(first) : { kind: 'range', first: number(first), last: number(last) };
}
