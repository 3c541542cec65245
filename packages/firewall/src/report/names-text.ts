// Names in groups, in words: what they stand for, since when, and what went wrong.

import { formatPrefix } from '@moat/netfilter';
import type { NameEntry } from '../kernel/names-file.ts';
import type { Group, Policy } from '../policy/model.ts';
import { table } from './table.ts';

/** A name that stands in groups, as it is known now. */
export interface NameState {
  readonly name: string;
  readonly groups: readonly string[];
  readonly addresses: readonly string[];
  /** Seconds since the last good answer; null: there was never one. */
  readonly age: number | null;
  /** Why the last try failed; null: it did not. */
  readonly failed: string | null;
}

/** The names of the policy's groups, in their order. `now`: seconds since 1970. */
export function nameStates({ groups }: Policy, entries: readonly NameEntry[], now: number): NameState[] {
  const names = [...new Set([...groups.values()].flatMap((group) => group.names))];
  return names.map((name) => {
    const entry = entries.find((each) => each.name === name);
    return {
      name,
      groups: [...groups.values()].filter((group) => group.names.includes(name)).map((group) => group.name),
      addresses: entry?.addresses ?? [],
      age: entry === undefined || entry.answered === 0 ? null : Math.max(0, now - entry.answered),
      failed: entry === undefined ? 'not asked for yet' : (entry.failed?.why ?? null),
    };
  });
}

/** What is not in order with a name; undefined: nothing. */
export function nameTrouble({ name, addresses, age, failed }: NameState): string | undefined {
  if (failed === null) return undefined;
  if (addresses.length === 0 || age === null)
    return `${name} has no address (${failed}), so no rule is about it`;
  return `${name} was not answered as it should be (${failed}); what it was ${ageText(age)} ago is kept: ${addresses.join(', ')}`;
}

/** `home.example.org is 198.51.100.9 now, and 198.51.100.7 no more`. */
export function changedName({
  name,
  came,
  went,
  addresses,
}: {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly came: readonly string[];
  readonly went: readonly string[];
}): string {
  if (came.length + went.length === 0) return `${name} is answered again: ${addresses.join(', ')}`;
  const parts = [
    ...(came.length > 0 ? [`${came.join(', ')} now`] : []),
    ...(went.length > 0 ? [`${went.join(', ')} no more`] : []),
  ];
  return `${name} is ${parts.join(', and ')}`;
}

/** `40 s`, `12 min`, `3 h`, `2 d`. */
function ageText(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** Every group, its members, and of names what they stand for and since when. */
export function groupTable(groups: ReadonlyMap<string, Group>, states: readonly NameState[]): string {
  if (groups.size === 0) return 'There are no groups';
  const rows = [...groups.values()].flatMap((group) => [
    ...group.written.map((prefix) => [group.name, formatPrefix(prefix), '', '']),
    ...group.names.map((name) => [group.name, ...nameCells(states.find((state) => state.name === name))]),
  ]);
  const shown = rows.map(([group = '', ...rest], i) => [rows[i - 1]?.[0] === group ? '' : group, ...rest]);
  const hasNames = states.length > 0;
  const head = hasNames ? ['GROUP', 'MEMBER', 'IS', 'ANSWERED'] : ['GROUP', 'MEMBER'];
  return table([head, ...shown.map((row) => row.slice(0, head.length))]);
}

function nameCells(state: NameState | undefined): string[] {
  if (state === undefined) return ['', '', ''];
  const { name, addresses, age, failed } = state;
  const when = age === null ? 'never' : `${ageText(age)} ago`;
  return [name, addresses.join(', ') || '-', failed === null ? when : `${when}; last try: ${failed}`];
}
