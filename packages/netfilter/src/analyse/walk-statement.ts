// Statements as steps.
import type { MapEntry } from '../model/inline-set.ts';
import type { Statement } from '../model/statement.ts';
import type { Verdict } from '../model/verdict.ts';
import { narrowed } from './walk-cell.ts';
import { compileIpset } from './walk-ipset.ts';
import { compileKey, compileLookup } from './walk-key.ts';
import { compileMangle } from './walk-mangle.ts';
import { compileMatch, conditionPart } from './walk-match.ts';
import { compileNat } from './walk-nat.ts';
import {
  ACCEPT,
  BREAK,
  type Context,
  constantPart,
  DROP,
  FORK,
  GOTO,
  JUMP,
  LOST,
  NEXT,
  type Part,
  REJECT,
  RETURN,
  type Step,
  unknownPart,
  type WalkReason,
  type Way,
} from './walk-step.ts';
import { compileNotrack } from './walk-track.ts';
import { heldNumbers } from './walk-values.ts';

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
    case 'reject':
      return [constantPart(REJECT)];
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

function verdictPart(verdict: Verdict, context: Context): Part {
  const { outcome, target } = wayOf(verdict, context);
  if (target === undefined) {
    return { ...constantPart(outcome), why: { kind: 'not understood', raw: verdict } };
  }
  const step: Step = (walker) => {
    walker.target = target;
    return outcome;
  };
  return { step, effect: true };
}

const PLAIN = { accept: ACCEPT, drop: DROP, continue: NEXT, return: RETURN } as const;

function wayOf(verdict: Verdict, context: Context): Way {
  if (verdict.kind !== 'jump' && verdict.kind !== 'goto') return { outcome: PLAIN[verdict.kind] };
  const target = context.programOf(verdict.chain);
  if (target === undefined) return { outcome: LOST };
  return { outcome: verdict.kind === 'jump' ? JUMP : GOTO, target };
}

function compileVmap(
  { key: expression, map }: Statement & { readonly kind: 'vmap' },
  context: Context,
): readonly Part[] {
  const entries = map.kind === 'entries' ? map.entries : namedEntries(map.name, context);
  if (entries === undefined) {
    return [{ step: () => LOST, why: { kind: 'not understood', raw: map }, effect: true }];
  }
  const key = compileKey(expression, context);
  const find = compileLookup(
    key,
    entries.map((entry) => entry.key),
    context,
  );
  const targets = entries.map(({ verdict }) => wayOf(verdict, context));
  const ways = waysOf(entries, targets, expression, key, context);
  return [
    ...key.needs,
    {
      effect: true,
      why: key.why,
      step: (walker) => {
        const at = find(walker);
        if (at === undefined) return FORK;
        if (at === null || at < 0) return BREAK;
        const way = targets[at]!;
        walker.target = way.target;
        return way.outcome;
      },
      ways: () => ways,
    },
  ];
}

function namedEntries(name: string, { table }: Context): readonly MapEntry[] | undefined {
  const map = table.maps?.find((each) => each.name === name);
  return map?.kind === 'verdicts' ? map.entries : undefined;
}

/** One for each verdict, and one for a miss, with what the key is then. */
function waysOf(
  entries: readonly MapEntry[],
  targets: readonly Way[],
  expression: Parameters<typeof compileKey>[0],
  key: ReturnType<typeof compileKey>,
  context: Context,
): readonly Way[] {
  const groups = new Map<string, { way: Way; entries: MapEntry[] }>();
  for (const [i, entry] of entries.entries()) {
    const way = targets[i]!;
    const name = `${way.outcome} ${way.target?.id}`;
    const group = groups.get(name) ?? { way, entries: [] };
    groups.set(name, group);
    group.entries.push(entry);
  }
  const reader = key.parts.length === 1 ? key.parts[0]!.reader : undefined;
  const miss: Way = { outcome: BREAK };
  const all = [...groups.values()];
  const simple =
    reader?.field !== undefined && reader.bits > 0 && entries.every((entry) => entry.key.kind !== 'any');
  if (!simple) return [...all.map(({ way }) => way), miss];
  const { bits } = reader;
  const slot = context.slots.of(reader.field!, bits);
  const narrow = (of: readonly MapEntry[], inside: boolean): Partial<Way> => {
    const { set, complete } = heldNumbers(
      of.map((entry) => entry.key),
      expression,
      bits,
    );
    if (!complete) return {};
    return {
      narrow: ({ cells }) => {
        cells[slot] = narrowed(cells[slot], set, bits, inside);
      },
    };
  };
  return [
    ...all.map(({ way, entries: of }) => ({ ...way, ...narrow(of, true) })),
    { ...miss, ...narrow(entries, false) },
  ];
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
