// moat show builtin|raw|added|groups|listening|rules|generation|events
import { formatAddress, formatPrefix } from '@moat/netfilter';
import { knownAnswers } from '../apply/name-answers.ts';
import { BUILTINS } from '../compile/builtin.ts';
import { readListeners } from '../kernel/listeners.ts';
import { readNames } from '../kernel/names-file.ts';
import { nftHasTable, nftListTable, nftListText } from '../kernel/nft.ts';
import { readPolicyText } from '../kernel/state.ts';
import { emptyPolicyText, parsePolicyFile } from '../policy/file.ts';
import { hasEnded } from '../policy/live.ts';
import type { Policy } from '../policy/model.ts';
import { formatSentence } from '../policy/print.ts';
import { formatProblems } from '../policy/problem.ts';
import { groupTable, nameStates } from '../report/names-text.ts';
import { answeringText, reachOf } from '../report/reach.ts';
import { table } from '../report/table.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { showGeneration } from './history.ts';
import { appliedPolicy, NO_FIREWALL } from './policy-in-force.ts';
import { type Answer, say } from './say.ts';
import { showEvents } from './show-events.ts';
import { showRulesVerb } from './show-rules.ts';

export const REPORTS = [
  'builtin',
  'raw',
  'added',
  'groups',
  'listening',
  'rules',
  'generation',
  'events',
] as const;
export type Report = (typeof REPORTS)[number];

/** `words`: what was typed after `moat`. */
export async function showVerb(context: Context, report: Report, words: readonly string[]): Promise<void> {
  switch (report) {
    case 'generation':
      return say(context, showGeneration(context, words));
    case 'events':
      return say(context, showEvents(context));
    case 'builtin':
      return say(context, showBuiltin());
    case 'raw':
      return say(context, await showRaw());
    case 'added': {
      const read = readPolicy(context);
      return say(context, read.ok ? showAdded(read.policy) : read.answer);
    }
    case 'groups': {
      const read = readPolicy(context);
      return say(context, read.ok ? showGroups(context, read.policy) : read.answer);
    }
    case 'listening': {
      if (!(await nftHasTable())) return say(context, await showListening(NO_FIREWALL));
      // What is in force, not what somebody has written into the file since.
      const applied = appliedPolicy(context.paths, context.services);
      const read = applied === undefined ? readPolicy(context) : { ok: true as const, policy: applied };
      return say(context, read.ok ? await showListening(read.policy) : read.answer);
    }
    case 'rules':
      return showRulesVerb(context, words);
    default:
      throw new Error(report satisfies never);
  }
}

/** The policy file as it stands, or the answer that lists its mistakes. */
export function readPolicy(
  context: Context,
): { readonly ok: true; readonly policy: Policy } | { readonly ok: false; readonly answer: Answer } {
  const text = readPolicyText(context.paths) ?? emptyPolicyText();
  const parsed = parsePolicyFile(text, context.services, knownAnswers(context.paths));
  if (parsed.ok) return { ok: true, policy: parsed.file.policy };
  const source = { name: context.paths.policy, text };
  return {
    ok: false,
    answer: {
      code: ExitCode.mistake,
      text: formatProblems(parsed.problems, source),
      json: { error: 'policy', file: source.name, problems: parsed.problems },
    },
  };
}

function showBuiltin(): Answer {
  const always = [
    {
      direction: 'in, out, routed',
      says: 'replies to flows that were let through',
      why: 'a flow is decided once, by its first packet',
    },
    { direction: 'in, out', says: 'loopback', why: 'the host talking to itself' },
  ];
  const rows = [
    ...always,
    ...BUILTINS.map(({ chain, says, why }) => ({
      direction: chain === 'builtin_in' ? 'in' : 'out',
      says,
      why,
    })),
  ];
  const text = [
    'Always let through, before any sentence:',
    '',
    ...rows.flatMap(({ direction, says, why }) => [`  ${says} (${direction})`, `    ${why}`]),
    '',
    'Nothing else is built in.',
  ].join('\n');
  return { code: ExitCode.done, text, json: { builtin: rows } };
}

async function showRaw(): Promise<Answer> {
  const [text, json] = await Promise.all([nftListText(), nftListTable()]);
  return {
    code: ExitCode.done,
    text: text?.trimEnd() ?? 'There is no table inet moat: moat is not active (moat enable)',
    json: { nft: json ?? null },
  };
}

function showAdded(policy: Policy): Answer {
  const sentences = [...policy.rules, ...policy.expectations].map(formatSentence);
  const lines = sentences.length === 0 ? ['(none)'] : sentences.map((sentence) => `moat ${sentence}`);
  return { code: ExitCode.done, text: lines.join('\n'), json: { added: sentences } };
}

function showGroups({ paths }: Context, policy: Policy): Answer {
  const { entries, torn } = readNames(paths);
  const names = nameStates(policy, entries, Math.floor(Date.now() / 1000));
  const groups = [...policy.groups.values()].map((group) => ({
    name: group.name,
    members: group.written.map(formatPrefix),
    names: group.names,
  }));
  const notes = torn
    ? ['the file of what names were answered with is not whole: moat reload asks for them again']
    : [];
  const text = [groupTable(policy.groups, names), ...notes.map((note) => `note: ${note}`)].join('\n');
  return { code: ExitCode.done, text, json: { groups, names, notes } };
}

async function showListening(policy: Policy): Promise<Answer> {
  const { listeners, complete } = await readListeners();
  const now = Math.floor(Date.now() / 1000);
  const reaches = reachOf(policy, listeners, (rule) => !hasEnded(rule, now));
  const rows = reaches.map(({ listener, sources, rules }) => [
    `${listener.port}/${listener.protocol}`,
    formatAddress(listener.address),
    answeringText(listener.what),
    sources.length === 0 ? 'closed' : sources.join(', '),
    rules.map((rule) => (rule === 0 ? 'default' : `[${rule}]`)).join(' '),
  ]);
  const lines = [
    table([['PORT', 'ADDRESS', 'WHAT', 'OPEN TO', 'BY'], ...rows]),
    ...(complete ? [] : ['Not all processes could be looked at: some names are missing.']),
  ];
  return {
    code: ExitCode.done,
    text: lines.join('\n'),
    json: {
      complete,
      listening: reaches.map(({ listener, sources, rules }) => ({
        protocol: listener.protocol,
        family: listener.family,
        address: formatAddress(listener.address),
        port: listener.port,
        what: listener.what,
        openTo: sources,
        rules,
      })),
    },
  };
}
