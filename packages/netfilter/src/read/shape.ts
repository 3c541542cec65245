// What a JSON value must look like, as functions that read it and tell where it does not.
import { isObject, type Json } from './json.ts';

/** One thing that is not as it must be. */
export interface ShapeProblem {
  /** `links[2].addresses[0].family`; empty for the whole value. */
  readonly path: string;
  readonly expected: string;
  /** What stands there, cut to a line. */
  readonly found: string;
}

/** Reads a value at a path. What it gives counts only if it has added no problem. */
export type Shape<T> = (json: Json, path: string, problems: ShapeProblem[]) => T;

/** The value if the test holds, else a problem. */
export function shape<T>(expected: string, test: (json: Json) => json is T): Shape<T> {
  return (json, path, problems) => {
    if (!test(json)) problems.push({ path, expected, found: shown(json) });
    return json as T;
  };
}

export function textThat(expected: string, test: (text: string) => boolean): Shape<string> {
  return shape(expected, (json): json is string => typeof json === 'string' && test(json));
}

export const anyText: Shape<string> = textThat('text', () => true);

export const flag: Shape<boolean> = shape(
  'true or false',
  (json): json is boolean => typeof json === 'boolean',
);

/** Only `true` is written; false is left out. */
export const onlyTrue: Shape<true> = shape('true, or nothing', (json): json is true => json === true);

export function numberUpTo(last: number): Shape<number> {
  return shape(
    `a whole number from 0 to ${last}`,
    (json): json is number => Number.isInteger(json) && Number(json) >= 0 && Number(json) <= last,
  );
}

export function oneOf<const T extends string | number>(...words: readonly T[]): Shape<T> {
  const expected = words.map((word) => JSON.stringify(word)).join(' or ');
  return shape(expected, (json): json is T => words.some((word) => word === json));
}

export function listOf<T>(item: Shape<T>): Shape<readonly T[]> {
  return (json, path, problems) => {
    if (Array.isArray(json)) return json.map((each, i) => item(each, `${path}[${i}]`, problems));
    problems.push({ path, expected: 'a list', found: shown(json) });
    return [];
  };
}

export function recordOf<T>(value: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return (json, path, problems) => {
    if (!isObject(json)) {
      problems.push({ path, expected: 'an object', found: shown(json) });
      return {};
    }
    return Object.fromEntries(
      Object.entries(json).map(([key, each]) => [
        key,
        value(each, `${path}[${JSON.stringify(key)}]`, problems),
      ]),
    );
  };
}

type Required<T> = { [K in keyof T as undefined extends T[K] ? never : K]: Shape<T[K]> };
type Optional<T> = {
  [K in keyof T as undefined extends T[K] ? K : never]-?: Shape<Exclude<T[K], undefined>>;
};

/** An object with exactly the fields of T; others in it are passed over. */
export function objectOf<T extends object>(required: Required<T>, optional: Optional<T>): Shape<T> {
  const needed = Object.entries(required) as [string, Shape<unknown>][];
  const more = Object.entries(optional) as [string, Shape<unknown>][];
  return (json, path, problems) => {
    if (!isObject(json)) {
      problems.push({ path, expected: 'an object', found: shown(json) });
      return {} as T;
    }
    const under = (name: string): string => (path === '' ? name : `${path}.${name}`);
    const read: Record<string, unknown> = {};
    for (const [name, of] of needed) read[name] = of(json[name], under(name), problems);
    for (const [name, of] of more) {
      if (json[name] !== undefined) read[name] = of(json[name], under(name), problems);
    }
    return read as T;
  };
}

const WIDTH = 60;

function shown(json: Json): string {
  if (json === undefined) return 'nothing';
  // No more of a long value than can be shown, whatever its size.
  if (Array.isArray(json)) return `a list of ${json.length}`;
  if (isObject(json)) return `an object with ${Object.keys(json).slice(0, 4).join(', ') || 'nothing in it'}`;
  const text = JSON.stringify(json);
  return text.length > WIDTH ? `${text.slice(0, WIDTH)}…` : text;
}
