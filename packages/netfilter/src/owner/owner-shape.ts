// Rules without a name on them that programs write into the base chains of shared tables, told by their shape.
import type { Chain, Rule, Ruleset, Table } from '../model/ruleset.ts';
import type { Match, Statement } from '../model/statement.ts';
import { programOf } from './owner-signs.ts';

/** The bridges that rules inside Docker's own chains name: a network may call its bridge as it likes. */
export function dockerLinks(ruleset: Ruleset): ReadonlySet<string> {
  const links = new Set<string>();
  for (const { chains } of ruleset.tables) {
    for (const chain of chains) {
      const whole = programOf('chain', chain.name) === 'docker' && chain.name !== 'DOCKER-USER';
      for (const rule of chain.rules) {
        if (!whole && !rule.statements.some(callsDocker)) continue;
        for (const name of linksOf(rule)) links.add(name);
      }
    }
  }
  return links;
}

function callsDocker(statement: Statement): boolean {
  return (
    statement.kind === 'verdict' &&
    (statement.verdict.kind === 'jump' || statement.verdict.kind === 'goto') &&
    statement.verdict.chain === 'DOCKER'
  );
}

export interface Shape {
  readonly program: string;
  readonly sign: string;
}

/**
 * Who writes rules like this one here; undefined: nobody known. `docker`: the bridges of its networks. People
 * write rules about such interfaces too, so it counts only at the hooks where the program itself puts rules.
 */
export function programByShape(
  rule: Rule,
  table: Table,
  { base }: Chain,
  docker: ReadonlySet<string>,
): Shape | undefined {
  if (base === undefined) return undefined;
  for (const name of linksOf(rule)) {
    const program = docker.has(name) ? 'docker' : programOf('interface', name);
    if (program === undefined) continue;
    if (program === 'docker' && !isPlaceOfDocker(rule, table, base.hook)) continue;
    return { program, sign: `interface ${name}` };
  }
  if (docker.size === 0) return undefined;
  if (base.hook === 'postrouting' && isHairpin(rule)) {
    return { program: 'docker', sign: 'masquerade from a container to itself' };
  }
  if (base.hook === 'prerouting' && table.name === 'raw' && keepsToLoopback(rule)) {
    return { program: 'docker', sign: 'a port published for loopback only' };
  }
  return undefined;
}

/** What the engine writes into base chains: forwarding, masquerade, and (raw) no direct way to a container. */
function isPlaceOfDocker(rule: Rule, table: Table, hook: string): boolean {
  if (hook === 'forward') return true;
  if (hook === 'postrouting') return rule.statements.some(isMasquerade);
  return hook === 'prerouting' && table.name === 'raw' && rule.statements.some(isDrop);
}

function isMasquerade(statement: Statement): boolean {
  return statement.kind === 'nat' && (statement.type === 'masquerade' || statement.type === 'snat');
}

function isDrop(statement: Statement): boolean {
  return statement.kind === 'verdict' && statement.verdict.kind === 'drop';
}

function isHairpin({ statements }: Rule): boolean {
  const source = statements.find((each) => isAddress(each, 'saddr'));
  const destination = statements.find((each) => isAddress(each, 'daddr'));
  if (source === undefined || destination === undefined || !statements.some(isMasquerade)) return false;
  return addressOf(source) !== undefined && addressOf(source) === addressOf(destination);
}

/** To 127.0.0.1 and not from `lo`, which a packet from outside can be: drop. */
function keepsToLoopback({ statements }: Rule): boolean {
  const destination = statements.find((each) => isAddress(each, 'daddr'));
  const address = destination === undefined ? undefined : addressOf(destination);
  const outside = statements.some(
    (each) =>
      each.kind === 'match' &&
      each.operator === '!=' &&
      each.right.kind === 'symbol' &&
      each.right.name === 'lo',
  );
  return address !== undefined && address >> 24n === 127n && outside && statements.some(isDrop);
}

function isAddress(statement: Statement, field: string): statement is Match {
  return statement.kind === 'match' && statement.left.kind === 'payload' && statement.left.field === field;
}

function addressOf({ right, operator }: Match): bigint | undefined {
  return operator === '==' && right.kind === 'address' ? right.address.value : undefined;
}

const NAMES: ReadonlySet<string> = new Set(['iifname', 'oifname', 'iif', 'oif']);

function linksOf({ statements }: Rule): readonly string[] {
  return statements.flatMap((statement) => {
    if (statement.kind !== 'match' || statement.left.kind !== 'meta') return [];
    if (!NAMES.has(statement.left.key)) return [];
    const { right } = statement;
    const values = right.kind === 'elements' ? right.elements : [right];
    return values.flatMap((value) => (value.kind === 'symbol' ? [value.name] : []));
  });
}
