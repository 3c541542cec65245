import type { Statement } from '../model/statement.ts';
import { rejectNeeds } from '../semantics/reading.ts';
import { needParts } from './field.ts';
import { compileIpset } from './ipset.ts';
import { compileKey } from './key.ts';
import { compileMangle } from './mangle.ts';
import { compileMatch, conditionPart } from './match.ts';
import { compileNat } from './nat.ts';
import {
  ACCEPT,
  BREAK,
  type Context,
  constantPart,
  DROP,
  FORK,
  LOST,
  NEXT,
  type Part,
  REJECT,
  unknownPart,
  type WalkReason,
  type Way,
} from './step.ts';
import { compileNotrack } from './track.ts';
import { compileVmap, verdictPart } from './verdict.ts';

/** The steps of a statement. `last`: no other statement with an effect follows in the rule. */
export function compileStatement(statement: Statement, last: boolean, context: Context): readonly Part[] {
  switch (statement.kind) {
    case 'match':
      return compileMatch(statement, context);
    case 'or':
      return [compileOr(statement.branches, context)];
    case 'vmap':
      return compileVmap(statement, context);
    case 'verdict':
      return [verdictPart(statement.verdict, context)];
    case 'reject': {
      const needs = rejectNeeds(statement, context.place);
      return needs === 'nothing'
        ? [constantPart(BREAK)]
        : [...needParts(context.slots, needs), constantPart(REJECT)];
    }
    case 'limit':
      return limitPart('rate', statement.over, context);
    case 'quota':
      return limitPart('traffic', statement.over, context);
    case 'ct count':
      return limitPart('connections', statement.over, context);
    case 'object':
      if (statement.type === 'synproxy') return [synproxy()];
      if (statement.type === 'limit') return limitPart('rate', false, context);
      return statement.type === 'quota' ? limitPart('traffic', false, context) : [];
    case 'dynset':
      return compileDynset(statement, context);
    case 'mangle':
      return compileMangle(statement, context);
    case 'nat':
      return compileNat(statement, context);
    case 'notrack':
      return [compileNotrack(context)];
    case 'tproxy': {
      const wanted = statement.family === 'ip' ? 'ipv4' : 'ipv6';
      if (statement.family !== undefined && wanted !== context.place.family) return [constantPart(BREAK)];
      return [
        forkPart({ kind: 'free', reason: 'socket' }, NEXT, statement.missing === 'drop' ? DROP : BREAK),
      ];
    }
    case 'queue':
      return [forkPart({ kind: 'free', reason: 'host' }, ACCEPT, DROP)];
    case 'synproxy':
      return [synproxy()];
    case 'flow':
      return [unknownPart({ kind: 'free', reason: 'host' })];
    case 'ipset':
      return compileIpset(statement, context);
    case 'free':
      return context.withinLimits && COUNTED.has(statement.extension)
        ? [constantPart(isAbove(statement.options) ? BREAK : NEXT)]
        : [unknownPart({ kind: 'free', reason: statement.reason })];
    case 'fwd':
      return [{ step: () => LOST, why: { kind: 'free', reason: 'host' }, effect: true }];
    case 'counter':
    case 'log':
    case 'last':
    case 'dup':
    case 'reset':
    case 'effect':
    case 'ipset change':
      return [];
    case 'unknown':
      return compileUnknown(statement.raw, last);
    default:
      throw new Error(statement satisfies never);
  }
}

/** iptables' matches that hold up to a limit. */
const COUNTED: ReadonlySet<string> = new Set(['hashlimit', 'connlimit']);

function isAbove(options: readonly { readonly name: string; readonly negated: boolean }[]): boolean {
  return options.some(
    ({ name, negated }) =>
      name === '--hashlimit-above' ||
      (name === '--connlimit-above' && !negated) ||
      (name === '--connlimit-upto' && negated),
  );
}

function limitPart(
  reason: 'rate' | 'traffic' | 'connections',
  over: boolean,
  { withinLimits }: Context,
): readonly Part[] {
  return withinLimits ? [constantPart(over ? BREAK : NEXT)] : [unknownPart({ kind: 'free', reason })];
}

function forkPart(why: WalkReason, ...outcomes: readonly Way['outcome'][]): Part {
  const ways = outcomes.map((outcome) => ({ outcome }));
  return { step: () => FORK, ways: () => ways, why, effect: true };
}

/** Handshakes go through, and other packets of TCP never come here. */
function synproxy(): Part {
  return forkPart({ kind: 'free', reason: 'host' }, NEXT, DROP);
}

/** Elements of a set are put in or not; whether they fit in is nothing that rules depend on. */
function compileDynset(
  { element, statements }: Statement & { readonly kind: 'dynset' },
  context: Context,
): readonly Part[] {
  const key = compileKey(element, context);
  return [...key.needs, ...statements.flatMap((inner) => compileStatement(inner, false, context))];
}

function compileOr(branches: readonly (readonly Statement[])[], context: Context): Part {
  const compiled = branches.map((branch) => branch.flatMap((each) => compileStatement(each, false, context)));
  const why = compiled.flat().find((part) => part.why !== undefined)?.why;
  return conditionPart((walker) => {
    let unknown = false;
    for (const branch of compiled) {
      let outcome: number = NEXT;
      for (const { step } of branch) {
        const here = step(walker);
        if (here === NEXT) continue;
        outcome = here;
        if (here === BREAK) break;
      }
      if (outcome === NEXT) return true;
      if (outcome !== BREAK) unknown = true;
    }
    return unknown ? undefined : false;
  }, why ?? { kind: 'not understood', raw: branches });
}

/** A condition if something is to follow it; else it may have decided. */
function compileUnknown(raw: unknown, last: boolean): readonly Part[] {
  const why: WalkReason = { kind: 'not understood', raw };
  const lost: Part = { step: () => LOST, why, effect: true };
  if (typeof raw === 'string') {
    // nft has no JSON for these, and lists them as text.
    if (/^(?:add|update|delete) @/.test(raw)) return [];
    if (raw.startsWith('-m ')) return [unknownPart(why)];
    return raw.startsWith('-j ') || last ? [lost] : [unknownPart(why)];
  }
  const [kind] = typeof raw === 'object' && raw !== null ? Object.keys(raw) : [];
  if (kind === 'match' || isXtMatch(raw)) return [unknownPart(why)];
  return last || kind === 'vmap' ? [lost] : [unknownPart(why)];
}

function isXtMatch(raw: unknown): boolean {
  const xt = (raw as { xt?: { type?: unknown } } | null)?.xt;
  return xt?.type === 'match';
}
