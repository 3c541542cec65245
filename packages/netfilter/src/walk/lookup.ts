// Finding what a packet has among the keys of a set or map.
import type { Expression } from '../model/expression.ts';
import type { Value } from '../model/value.ts';
import { valueInterval } from '../semantics/value-numbers.ts';
import { type Scalar, scalar } from './cell.ts';
import { lastNotAbove } from './field.ts';
import type { Context, Reader } from './step.ts';

/** What one part of a key asks for. */
export type KeyTest =
  | { readonly kind: 'exact'; readonly value: Scalar | string }
  | { readonly kind: 'range'; readonly first: Scalar; readonly last: Scalar }
  /** A name that begins so. */
  | { readonly kind: 'begins'; readonly text: string }
  /** A name that there is, or is not. */
  | { readonly kind: 'exists'; readonly wanted: boolean }
  | { readonly kind: 'any' }
  | { readonly kind: 'unknown' };

/** The key that holds the value: its place, -1 for none; undefined: nobody knows. */
export type Lookup<T> = (value: T) => number | undefined;

export type Found = Scalar | string | undefined;

/** What a value asks of what `of` reads. */
export function keyTest(value: Value, of: Expression, reader: Reader, { host }: Context): KeyTest {
  if (value.kind === 'any') return { kind: 'any' };
  if (reader.bits === 0) {
    if (value.kind === 'boolean') return { kind: 'exists', wanted: value.value };
    if (value.kind === 'number') {
      if (value.value === 0) return { kind: 'exists', wanted: false };
      const name = host?.links.find(({ index }) => index === value.value)?.name;
      return name === undefined ? { kind: 'unknown' } : { kind: 'exact', value: name };
    }
    if (value.kind !== 'symbol') return { kind: 'unknown' };
    return value.name.endsWith('*')
      ? { kind: 'begins', text: value.name.slice(0, -1) }
      : { kind: 'exact', value: value.name };
  }
  const interval = valueInterval(value, of);
  if (interval === undefined) return { kind: 'unknown' };
  if (interval === 'any') return { kind: 'any' };
  const first = scalar(interval.first, reader.bits);
  return interval.first === interval.last
    ? { kind: 'exact', value: first }
    : { kind: 'range', first, last: scalar(interval.last, reader.bits) };
}

/** undefined: nobody knows. */
function testHolds(test: KeyTest, value: Found): boolean | undefined {
  if (test.kind === 'any') return true;
  if (value === undefined || test.kind === 'unknown') return undefined;
  switch (test.kind) {
    case 'exact':
      return value === test.value;
    case 'range':
      return typeof value !== 'string' && value >= test.first && value <= test.last;
    case 'begins':
      return typeof value === 'string' && value.startsWith(test.text);
    case 'exists':
      return (value !== '') === test.wanted;
    default:
      throw new Error(test satisfies never);
  }
}

/** For keys of one part. Of several keys that hold the value, a catch-all `*` comes last. */
export function lookupOne(tests: readonly KeyTest[]): Lookup<Found> {
  const exact = new Map<Scalar | string, number>();
  const ranges: { first: number; last: number; at: number }[] = [];
  const names: { test: KeyTest; at: number }[] = [];
  let rest: number | undefined = -1;
  let unknown = false;
  for (const [at, test] of tests.entries()) {
    if (test.kind === 'exact') {
      if (!exact.has(test.value)) exact.set(test.value, at);
    } else if (test.kind === 'range')
      ranges.push({ first: test.first as number, last: test.last as number, at });
    else if (test.kind === 'any') rest = at;
    else if (test.kind === 'unknown') unknown = true;
    else names.push({ test, at });
  }
  if (unknown) rest = undefined;
  const inRange = rangeLookup(ranges);
  return (value) => {
    if (value === undefined) return tests.length === 0 ? -1 : undefined;
    const found = exact.get(value);
    if (found !== undefined) return found;
    if (ranges.length > 0 && typeof value !== 'string') {
      const at = inRange(value as number);
      if (at >= 0) return at;
    }
    for (const { test, at } of names) if (testHolds(test, value) === true) return at;
    return rest;
  };
}

/** Intervals of one set or map do not overlap; those that do anyway are gone through one by one. */
function rangeLookup(
  ranges: readonly { first: number; last: number; at: number }[],
): (value: number) => number {
  const sorted = [...ranges].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  if (sorted.some(({ first }, i) => i > 0 && first <= sorted[i - 1]!.last)) {
    return (value) => ranges.find(({ first, last }) => value >= first && value <= last)?.at ?? -1;
  }
  const firsts = sorted.map(({ first }) => first);
  return (value) => {
    const i = lastNotAbove(firsts, value);
    return i >= 0 && value <= sorted[i]!.last ? sorted[i]!.at : -1;
  };
}

/** For keys of several parts, a list of tests each. */
export function lookupMany(keys: readonly (readonly KeyTest[])[]): Lookup<readonly Found[]> {
  const exact = new Map<string, number>();
  const others: { tests: readonly KeyTest[]; at: number }[] = [];
  for (const [at, tests] of keys.entries()) {
    if (tests.every((test) => test.kind === 'exact')) {
      const key = tests.map(({ value }) => value).join(' ');
      if (!exact.has(key)) exact.set(key, at);
    } else others.push({ tests, at });
  }
  return (values) => {
    let unknown = false;
    if (values.includes(undefined)) {
      for (const [at, tests] of keys.entries()) {
        const holds = allHold(tests, values);
        if (holds === true) return at;
        if (holds === undefined) unknown = true;
      }
      return unknown ? undefined : -1;
    }
    const found = exact.get(values.join(' '));
    if (found !== undefined) return found;
    for (const { tests, at } of others) {
      const holds = allHold(tests, values);
      if (holds === true) return at;
      if (holds === undefined) unknown = true;
    }
    return unknown ? undefined : -1;
  };
}

export function allHold(tests: readonly KeyTest[], values: readonly Found[]): boolean | undefined {
  let all: boolean | undefined = true;
  for (let i = 0; i < tests.length; i++) {
    const holds = testHolds(tests[i]!, values[i]);
    if (holds === false) return false;
    if (holds === undefined) all = undefined;
  }
  return all;
}
