import type { Cell } from './cell.ts';
import {
  copyOf,
  type End,
  keyOf,
  type Position,
  type Run,
  scan,
  type WalkUnknown,
  type WalkVerdict,
} from './position.ts';
import type { Stage } from './stages.ts';
import {
  ACCEPT,
  BREAK,
  type CompiledRule,
  DROP,
  FORK,
  GOTO,
  JUMP,
  NEXT,
  type Part,
  type Program,
  REJECT,
  RETURN,
  type StepVerdict,
  type Walker,
  type Way,
} from './step.ts';

/** Rules that are looked at, and forks, after the first end; then the answer is that nobody knows. */
const MOST_RULES = 50_000;
const MOST_FORKS = 256;
/** Before the first end: no ruleset that a kernel would take comes near. */
const MOST_IN_ALL = 20_000_000;
const MOST_JUMPS = 1_000;

interface Pending {
  readonly from: Position;
  readonly way: Way;
}

/** Follows the packet to its end; where it may go several ways, to all ends until two of them differ. */
export function runStages(stages: readonly Stage[], cells: Cell[], withPath: boolean): Run {
  const did: StepVerdict[] | undefined = withPath ? [] : undefined;
  const walker: Walker = { cells, target: undefined, mapped: false, did };
  const pending: Pending[] = [];
  const seen = new Set<string>();
  const ends: End[] = [];
  const unknowns: WalkUnknown[] = [];
  let forks = 0;
  let left = MOST_IN_ALL;
  let sure = 0;
  let position: Position = {
    stage: -1,
    program: undefined,
    at: 0,
    part: 0,
    base: undefined,
    programs: [],
    places: [],
    mapped: false,
    cells,
    path: [],
  };
  let forced: Way | undefined;

  const finish = (verdict: WalkVerdict): void => {
    ends.push({ verdict, cells: walker.cells, path: position.path });
    if (ends.length === 1) left = MOST_RULES;
  };

  /** Takes the first way itself and keeps the others for later; undefined: this was seen before. */
  const fork = (part: Part, at: Omit<WalkUnknown, 'why'>): Way | undefined => {
    if (forks === 0) sure = position.path.length;
    forks++;
    const key = keyOf(position, walker);
    if (seen.has(key)) return undefined;
    seen.add(key);
    const why = part.why ?? { kind: 'free', reason: 'host' };
    if (!unknowns.some((each) => each.rule === at.rule && each.table === at.table))
      unknowns.push({ ...at, why });
    const [first, ...others] = part.ways?.(walker) ?? EITHER;
    for (const way of others.reverse()) {
      pending.push({ from: { ...copyOf(position), mapped: walker.mapped, cells: [...walker.cells] }, way });
    }
    return first;
  };

  for (;;) {
    const ended = advance();
    if (ended !== undefined) finish(ended);
    const [first] = ends;
    if (first === undefined && ended === undefined && pending.length === 0) break;
    if (ends.length > 1 && ends.at(-1)!.verdict !== first!.verdict) break;
    if (ended === 'unknown' || left <= 0 || forks > MOST_FORKS) {
      return { ends, incomplete: pending.length > 0 || ended === 'unknown' || left <= 0, unknowns, sure };
    }
    const next = pending.pop();
    if (next === undefined) break;
    position = next.from;
    walker.cells = position.cells;
    walker.mapped = position.mapped;
    forced = next.way;
  }
  return { ends, incomplete: ends.length === 0, unknowns, sure };

  /** Goes on until the packet's end; undefined: it came where it has been before. */
  function advance(): WalkVerdict | undefined {
    let way = forced;
    forced = undefined;
    way?.narrow?.(walker);
    for (;;) {
      const { program } = position;
      if (program === undefined) {
        const verdict = nextStage(way);
        way = undefined;
        if (verdict === 'seen') return undefined;
        if (verdict !== undefined) return verdict;
        continue;
      }
      const { rules } = program;
      const from = position.at;
      let outcome: Way['outcome'] = NEXT;
      if (way !== undefined) {
        outcome = way.outcome;
        walker.target = way.target;
        way = undefined;
        if (outcome === NEXT) position.part++;
        else if (outcome === BREAK) skipRule();
      }
      if (outcome <= BREAK) outcome = scan(rules, position, walker);
      left -= position.at - from + 1;
      if (left <= 0) return 'unknown';
      const rule = rules[position.at];
      if (rule === undefined) {
        const verdict = endOfChain();
        if (verdict !== undefined) return verdict;
        continue;
      }
      if (did !== undefined && did.length > 0) note(program, rule);
      if (outcome === BREAK) skipRule();
      else if (outcome === FORK) {
        const { table, chain } = program;
        way = fork(rule.parts[position.part]!, { table, chain, rule: rule.rule });
        if (way === undefined) return undefined;
        way.narrow?.(walker);
      } else {
        const verdict = leave(outcome, program, rule);
        if (verdict !== undefined) return verdict;
      }
    }
  }

  function skipRule(): void {
    position.at++;
    position.part = 0;
  }

  function leave(outcome: Way['outcome'], program: Program, rule: CompiledRule): WalkVerdict | undefined {
    const { target } = walker;
    const { part } = position;
    position.part = 0;
    if (did !== undefined) {
      // The verdict of a NAT statement is its own.
      if (outcome !== ACCEPT || did.at(-1)?.kind !== 'nat') did.push(verdictOf(outcome, target));
      note(program, rule);
    }
    switch (outcome) {
      case ACCEPT:
        position.program = undefined;
        position.programs.length = 0;
        position.places.length = 0;
        return undefined;
      case DROP:
        return 'drop';
      case REJECT:
        return 'reject';
      case RETURN:
        position.at = program.rules.length;
        return undefined;
      case JUMP:
        position.programs.push(program);
        position.places.push(position.at + 1);
        if (position.programs.length > MOST_JUMPS) return 'unknown';
        position.program = target;
        position.at = 0;
        return undefined;
      case GOTO:
        position.program = target;
        position.at = 0;
        return undefined;
      default: {
        const why = rule.parts[part]?.why ?? { kind: 'not understood', raw: rule.rule };
        unknowns.push({ table: program.table, chain: program.chain, rule: rule.rule, why });
        return 'unknown';
      }
    }
  }

  /** Back to where the chain was called from; a base chain decides by its policy. */
  function endOfChain(): WalkVerdict | undefined {
    const caller = position.programs.pop();
    if (caller !== undefined) {
      position.program = caller;
      position.at = position.places.pop()!;
      return undefined;
    }
    const { base } = position;
    const stage = stages[position.stage];
    const policy = base?.policy ?? 'accept';
    if (did !== undefined && base !== undefined && stage?.kind === 'chain') {
      const { table, chain } = stage.program;
      const { hook, priority } = base;
      position.path.push({ table, chain, hook, priority, rule: undefined, verdict: { kind: policy } });
    }
    position.program = undefined;
    return policy === 'drop' ? 'drop' : undefined;
  }

  function nextStage(way: Way | undefined): WalkVerdict | 'seen' | undefined {
    let chosen = way;
    if (chosen === undefined) position.stage++;
    const stage = stages[position.stage];
    if (stage === undefined) return 'accept';
    if (stage.kind === 'kernel') {
      stage.run(walker.cells);
      return undefined;
    }
    if (stage.kind === 'nat') {
      walker.mapped = false;
      let outcome = chosen?.outcome ?? stage.opens.step(walker);
      if (outcome === FORK) {
        chosen = fork(stage.opens, { table: undefined, chain: undefined, rule: undefined });
        if (chosen === undefined) return 'seen';
        chosen.narrow?.(walker);
        outcome = chosen.outcome;
      }
      if (outcome !== NEXT) position.stage = stage.past - 1;
      return undefined;
    }
    if (stage.nat && walker.mapped) return undefined;
    position.program = stage.program;
    position.base = stage.base;
    position.at = 0;
    position.part = 0;
    return undefined;
  }

  function note(program: Program, rule: CompiledRule): void {
    const { hook, priority } = position.base!;
    for (const verdict of did!) {
      position.path.push({
        table: program.table,
        chain: program.chain,
        hook,
        priority,
        rule: rule.rule,
        verdict,
      });
    }
    did!.length = 0;
  }
}

const EITHER: readonly Way[] = [{ outcome: NEXT }, { outcome: BREAK }];

function verdictOf(outcome: Way['outcome'], target: Program | undefined): StepVerdict {
  switch (outcome) {
    case ACCEPT:
      return { kind: 'accept' };
    case DROP:
      return { kind: 'drop' };
    case REJECT:
      return { kind: 'reject' };
    case RETURN:
      return { kind: 'return' };
    case JUMP:
    case GOTO:
      return { kind: outcome === JUMP ? 'jump' : 'goto', chain: target?.chain ?? '' };
    default:
      return { kind: 'unknown' };
  }
}
