// Verdicts, and maps to verdicts, as steps.
import type { Expression } from '../model/expression.ts';
import type { MapEntry } from '../model/inline-set.ts';
import type { Statement } from '../model/statement.ts';
import type { Verdict } from '../model/verdict.ts';
import { narrowed } from './cell.ts';
import { compileKey, compileLookup } from './key.ts';
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
  RETURN,
  type Step,
  type Way,
} from './step.ts';
import { heldNumbers } from './values.ts';

export function verdictPart(verdict: Verdict, context: Context): Part {
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

/** A miss ends the rule, and so does a verdict other than `continue`. */
export function compileVmap(
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
  expression: Expression,
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
