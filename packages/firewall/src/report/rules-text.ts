// The rules of everybody as text: hook by hook, counters and owners to the left, called chains indented.
import type { ShownChain, ShownHook, ShownRules } from './rules.ts';

/** `heading` makes the line of a hook stand out. */
export function rulesText({ hooks, uncalled }: ShownRules, heading: (text: string) => string): string {
  const width = ownerWidth([...hooks.flatMap(({ chains }) => chains), ...uncalled]);
  const parts = hooks.map((hook) => hookLines(hook, width, heading));
  if (uncalled.length > 0) {
    parts.push([
      heading('Chains that nothing calls'),
      ...uncalled.flatMap((chain) => ['', ...chainLines(chain, width)]),
    ]);
  }
  return parts.map((lines) => lines.join('\n')).join('\n\n');
}

function hookLines({ words, chains }: ShownHook, width: number, heading: (text: string) => string): string[] {
  return [heading(words), ...chains.flatMap((chain) => ['', ...chainLines(chain, width)])];
}

const PACKETS = 9;
const BYTES = 10;

function chainLines(chain: ShownChain, width: number): string[] {
  const { table, name, base, owner } = chain;
  const legacy = table.source === 'iptables-legacy' ? ' (legacy)' : '';
  const facts = [
    `table ${table.family} ${table.name}${legacy}, chain ${name}`,
    ...(owner.certainty === 'guess' ? [] : [`of ${owner.name}`]),
    ...(base === undefined ? [] : [`policy ${base.policy}`]),
    ...(table.dormant === true ? ['dormant: the kernel does not call it'] : []),
    ...(chain.rules.length === 0 ? ['no rules'] : []),
  ];
  if (chain.rules.length === 0) return [`  ${facts.join(', ')}`];
  const head = row('PACKETS', 'BYTES', 'OWNER', width, 'RULE');
  return [`  ${facts.join(', ')}`, head, ...ruleLines(chain, width, 0)];
}

function ruleLines({ rules }: ShownChain, width: number, depth: number): string[] {
  const indent = '  '.repeat(depth);
  return rules.flatMap(({ words, owner, counted, calls }) => {
    const [only, ...others] = calls;
    // The rule itself names the one chain that it calls.
    const single = only !== undefined && others.length === 0;
    const line = row(
      counted === undefined ? '-' : grouped(counted.packets),
      counted === undefined ? '-' : size(counted.bytes),
      owner.name,
      width,
      `${indent}${words}${single ? stateOf(only, ' (', ')') : ''}`,
    );
    if (single) return [line, ...ruleLines(only, width, depth + 1)];
    const called = calls.flatMap((chain) => [
      row('', '', '', width, `${indent}  chain ${chain.name}${stateOf(chain, ': ', '') || ':'}`),
      ...ruleLines(chain, width, depth + 2),
    ]);
    return [line, ...called];
  });
}

function stateOf({ again, rules }: ShownChain, before: string, after: string): string {
  if (again) return `${before}see above${after}`;
  return rules.length === 0 ? `${before}no rules${after}` : '';
}

function row(packets: string, bytes: string, owner: string, width: number, text: string): string {
  return `  ${packets.padStart(PACKETS)} ${bytes.padStart(BYTES)}  ${owner.padEnd(width)}  ${text}`;
}

function ownerWidth(chains: readonly ShownChain[]): number {
  const names = (chain: ShownChain): readonly string[] =>
    chain.rules.flatMap(({ owner, calls }) => [owner.name, ...calls.flatMap(names)]);
  return Math.max('OWNER'.length, ...chains.flatMap(names).map((name) => name.length));
}

function grouped(value: number): string {
  return value.toLocaleString('en-US');
}

/** `812 B`, `3.1 KiB`. */
function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), units.length);
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}
