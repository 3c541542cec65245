// One rule of iptables-save → statements, part by part.

import type { XtOption } from '../model/extension.ts';
import { type Statement, verdict } from '../model/statement.ts';
import { protocolName, readBasicMatch } from './iptables-basic.ts';
import type { Extension, RuleContext } from './iptables-extension.ts';
import { FLOW_MATCHES } from './iptables-match-flow.ts';
import { FREE_MATCHES } from './iptables-match-free.ts';
import { HEADER_MATCHES } from './iptables-match-header.ts';
import { HOST_MATCHES } from './iptables-match-host.ts';
import { TARGETS } from './iptables-target.ts';

const MATCHES: Readonly<Record<string, Extension>> = {
  ...HEADER_MATCHES,
  ...FLOW_MATCHES,
  ...HOST_MATCHES,
  ...FREE_MATCHES,
};

/** A stretch of a rule: the options before any `-m`, one match, or the target. */
export interface RulePart {
  readonly kind: 'basic' | 'match' | 'target';
  /** `conntrack`, `ACCEPT`; empty for basic parts, jumps and what belongs nowhere. */
  readonly extension: string;
  readonly statements: readonly Statement[];
}

export interface RuleReading {
  readonly parts: readonly RulePart[];
  readonly comment?: string;
}

/** The first name of an option is the full one. */
const BASIC: readonly (readonly string[])[] = [
  ['-s', '--source', '--src'],
  ['-d', '--destination', '--dst'],
  ['-i', '--in-interface'],
  ['-o', '--out-interface'],
  ['-p', '--protocol', '--proto'],
  ['-f', '--fragments', '--fragment'],
  ['-m', '--match'],
  ['-j', '--jump'],
  ['-g', '--goto'],
  ['-c', '--set-counters'],
];
const BASIC_NAMES: ReadonlyMap<string, string> = new Map(
  BASIC.flatMap((names) => names.map((name): [string, string] => [name, names[0]!])),
);

/** A match or target of the rule with the options that were written for it. */
interface Instance {
  readonly kind: 'match' | 'target';
  readonly name: string;
  readonly extension: Extension;
  readonly options: XtOption[];
}

/** What stands in a rule before it is understood. */
interface Draft {
  readonly basic: RulePart[];
  readonly instances: Instance[];
  readonly stray: string[];
  protocol: string | undefined;
  jump: { readonly kind: 'jump' | 'goto'; readonly chain: string } | undefined;
}

/**
 * Reads the words of a rule after `-A CHAIN`. A word that is not understood becomes a statement `unknown` with its
 * text; the rest of the rule is read all the same. `isChain`: whether the table has a chain of that name.
 */
export function readRuleWords(
  words: readonly string[],
  family: 'ip' | 'ip6',
  isChain: (name: string) => boolean,
): RuleReading {
  const draft: Draft = { basic: [], instances: [], stray: [], protocol: undefined, jump: undefined };
  for (let i = 0; i < words.length; ) i = readOption(words, i, family, isChain, draft);
  const context: RuleContext = { family, protocol: draft.protocol };
  const parts: RulePart[] = draft.basic;
  const comments: string[] = [];
  for (const instance of draft.instances) {
    if (instance.kind === 'match') parts.push(understand(instance, context));
    if (instance.name === 'comment') comments.push(instance.options[0]?.values[0] ?? '');
  }
  for (const text of draft.stray) parts.push(unknownPart('match', '', text));
  for (const instance of draft.instances) {
    if (instance.kind === 'target') parts.push(understand(instance, context));
  }
  if (draft.jump !== undefined) {
    parts.push({ kind: 'target', extension: '', statements: [verdict(draft.jump)] });
  }
  return comments.length === 0 ? { parts } : { parts, comment: comments.join(' ') };
}

function unknownPart(kind: RulePart['kind'], extension: string, text: string): RulePart {
  return { kind, extension, statements: [{ kind: 'unknown', raw: text }] };
}

function understand({ kind, name, extension, options }: Instance, context: RuleContext): RulePart {
  const statements = extension.read(options, context);
  if (statements !== undefined) return { kind, extension: name, statements };
  return unknownPart(kind, name, textOf(kind, name, options));
}

function textOf(kind: Instance['kind'], name: string, options: readonly XtOption[]): string {
  const texts = options.map((option) =>
    [...(option.negated ? ['!'] : []), option.name, ...option.values].join(' '),
  );
  return [kind === 'match' ? '-m' : '-j', name, ...texts].join(' ');
}

/** Reads the option at `words[at]` with its words; returns where the next one starts. */
function readOption(
  words: readonly string[],
  at: number,
  family: 'ip' | 'ip6',
  isChain: (name: string) => boolean,
  draft: Draft,
): number {
  let negated = words[at] === '!';
  let next = negated ? at + 1 : at;
  const name = words[next++];
  if (name === undefined) {
    draft.stray.push('!');
    return next;
  }
  // Before 1.4.3 the sign stood behind the option.
  const take = (count: number): readonly string[] => {
    if (count > 0 && words[next] === '!') {
      negated = true;
      next++;
    }
    const taken = words.slice(next, next + count);
    next += taken.length;
    return taken;
  };
  // `--proto` of `-m policy` is its own; elsewhere it is `-p`.
  const taken = draft.instances.some(({ extension }) => extension.options[name] !== undefined);
  const basic = taken ? undefined : BASIC_NAMES.get(name);
  if (basic !== undefined) {
    const count = basic === '-f' ? 0 : basic === '-c' ? 2 : 1;
    const values = take(count);
    if (values.length === count) readBasic(basic, values[0] ?? '', negated, family, isChain, draft);
    else draft.stray.push(name);
    return next;
  }
  const found = name.startsWith('-') ? findOption(name, draft) : undefined;
  if (found !== undefined) {
    const values = take(found.words);
    if (values.length === found.words) found.instance.options.push({ name: found.name, negated, values });
    else draft.stray.push([name, ...values].join(' '));
    return next;
  }
  const rest: string[] = [];
  while (next < words.length && !/^(?:-{1,2}[a-z]|!$)/i.test(words[next]!)) rest.push(words[next++]!);
  draft.stray.push([...(negated ? ['!'] : []), name, ...rest].join(' '));
  return next;
}

/** The latest match that has the option; its full name or a beginning of it that fits no other. */
function findOption(
  name: string,
  draft: Draft,
): { instance: Instance; name: string; words: number } | undefined {
  const loaded = [...draft.instances].reverse();
  const implied = impliedMatch(draft);
  for (const candidates of [loaded, implied === undefined ? [] : [implied]]) {
    for (const exact of [true, false]) {
      for (const instance of candidates) {
        const option = resolve(name, instance.extension, exact);
        if (option === undefined) continue;
        if (instance === implied) draft.instances.push(instance);
        return { instance, name: option, words: instance.extension.options[option]! };
      }
    }
  }
  return undefined;
}

/** getopt_long takes any beginning of a name that fits one option only. */
function resolve(name: string, { options, aliases = {} }: Extension, exact: boolean): string | undefined {
  if (exact) return options[name] === undefined ? aliases[name] : name;
  const spellings = [...Object.keys(options).map((option) => [option, option]), ...Object.entries(aliases)];
  const fitting = new Set(
    spellings.flatMap(([spelling, full]) => (spelling!.startsWith(name) ? [full] : [])),
  );
  return fitting.size === 1 ? [...fitting][0] : undefined;
}

const IMPLIED: Readonly<Record<string, string>> = {
  tcp: 'tcp',
  udp: 'udp',
  udplite: 'udplite',
  sctp: 'sctp',
  dccp: 'dccp',
  icmp: 'icmp',
  'ipv6-icmp': 'icmp6',
  esp: 'esp',
  ah: 'ah',
  'mobility-header': 'mh',
};

/** `-p tcp` brings the match of that name along. */
function impliedMatch({ protocol, instances }: Draft): Instance | undefined {
  const name = IMPLIED[protocol ?? ''];
  if (name === undefined || instances.some((instance) => instance.name === name)) return undefined;
  return { kind: 'match', name, extension: MATCHES[name]!, options: [] };
}

/** What `-m`, `-j` and `-g` bring along; the other basic options are conditions. */
function readBasic(
  option: string,
  text: string,
  negated: boolean,
  family: 'ip' | 'ip6',
  isChain: (name: string) => boolean,
  draft: Draft,
): void {
  if (option === '-m') {
    const extension = MATCHES[text] ?? UNKNOWN;
    draft.instances.push({ kind: 'match', name: text, extension, options: [] });
  } else if (option === '-g') draft.jump = { kind: 'goto', chain: text };
  else if (option === '-j' && isChain(text)) draft.jump = { kind: 'jump', chain: text };
  else if (option === '-j') {
    draft.instances.push({ kind: 'target', name: text, extension: TARGETS[text] ?? UNKNOWN, options: [] });
  } else if (option !== '-c') {
    const statements = readBasicMatch(option, text, negated, family);
    if (statements.length > 0) draft.basic.push({ kind: 'basic', extension: '', statements });
    if (option === '-p' && !negated) draft.protocol = protocolName(text);
  }
}

const UNKNOWN: Extension = { options: {}, read: () => undefined };
