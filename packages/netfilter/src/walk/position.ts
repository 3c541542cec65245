// Where a walk stands, and what comes of it.
import type { BaseChain, Rule, Table } from '../model/ruleset.ts';
import type { Cell } from './cell.ts';
import {
  BREAK,
  type CompiledRule,
  NEXT,
  type Outcome,
  type Program,
  type Walker,
  type WalkReason,
  type WalkStep,
} from './step.ts';

export type WalkVerdict = 'accept' | 'drop' | 'reject' | 'unknown';

/** A condition of which it is not known whether it holds. */
export interface WalkUnknown {
  /** undefined: whether the nat chains see the packet. */
  readonly table: Table | undefined;
  readonly chain: string | undefined;
  readonly rule: Rule | undefined;
  readonly why: WalkReason;
}

/** Where a packet ended, on one of its ways. */
export interface End {
  readonly verdict: WalkVerdict;
  readonly cells: readonly Cell[];
  readonly path: readonly WalkStep[];
}

export interface Run {
  /** More than one: nobody knows which. */
  readonly ends: readonly End[];
  /** Not all ways were followed. */
  readonly incomplete: boolean;
  readonly unknowns: readonly WalkUnknown[];
  /** How much of the path is the same for all ends. */
  readonly sure: number;
}

export interface Position {
  stage: number;
  program: Program | undefined;
  at: number;
  part: number;
  base: BaseChain | undefined;
  programs: Program[];
  places: number[];
  mapped: boolean;
  cells: Cell[];
  path: WalkStep[];
}

/**
 * Rule after rule, until one has a verdict, is not sure, or (BREAK) did something that is to be noted. NEXT: the chain
 * is at its end.
 */
export function scan(rules: readonly CompiledRule[], position: Position, walker: Walker): Outcome {
  const { did } = walker;
  let { at, part } = position;
  for (; at < rules.length; at++) {
    const { steps } = rules[at]!;
    let outcome: Outcome = NEXT;
    for (; part < steps.length; part++) {
      outcome = steps[part]!(walker);
      if (outcome !== NEXT) break;
    }
    if (outcome > BREAK || (did !== undefined && did.length > 0)) {
      position.at = at;
      position.part = part;
      return outcome > BREAK ? outcome : BREAK;
    }
    part = 0;
  }
  position.at = at;
  position.part = 0;
  return NEXT;
}

export function copyOf(position: Position): Position {
  return {
    ...position,
    programs: [...position.programs],
    places: [...position.places],
    path: [...position.path],
  };
}

/** Two ways that come to the same place with the same packet go on as one. */
export function keyOf(
  { stage, program, at, part, programs, places }: Position,
  { cells, mapped }: Walker,
): string {
  const back = programs.map(({ id }, i) => `${id}:${places[i]}`).join();
  return `${stage} ${program?.id} ${at} ${part} ${mapped} ${back} ${cells.map(cellKey).join(' ')}`;
}

const amongKeys = new WeakMap<object, string>();

function cellKey(cell: Cell): string {
  if (typeof cell !== 'object') return `${cell}`;
  if ('except' in cell) return `!${cell.except.join()}`;
  const known = amongKeys.get(cell.among);
  if (known !== undefined) return known;
  const key = cell.among.map(({ first, last }) => `${first}-${last}`).join();
  amongKeys.set(cell.among, key);
  return key;
}
