// How a change is told: what happened, what to do next, what to watch out for.
import { formatAddress } from '@moat/netfilter';
import { connectionText } from '../apply/advice.ts';
import type { ChangeResult, Waiting } from '../apply/change.ts';
import type { PeerChangeResult } from '../apply/peer-confirm.ts';
import type { Lockout, Plan } from '../apply/plan.ts';
import type { ExpectationResult } from '../meaning/expectation.ts';
import { formatSentence } from '../policy/print.ts';
import { formatProblems } from '../policy/problem.ts';
import { differenceLines } from '../proof/difference-text.ts';
import type { Difference } from '../proof/prove-policy.ts';
import { planEffects } from './effects.ts';
import { ExitCode } from './exit-code.ts';
import { differenceJson, expectationJson, failureLines } from './expectation-words.ts';
import { type Answer, colour, failure } from './say.ts';

export interface PreviewOptions {
  /** Tell also of what stays as it is. */
  readonly keeps?: boolean;
  /** Lines before all others. */
  readonly first?: readonly string[];
}

/** `headline`: what was done, as one sentence without a full stop; made from the plan. */
export function changeAnswer(
  result: PeerChangeResult,
  headline: (plan: Plan) => string,
  { keeps = false, first = [] }: PreviewOptions = {},
): Answer {
  switch (result.kind) {
    case 'busy':
      return failure(ExitCode.busy, 'busy', result.message);
    case 'failed':
      return failure(ExitCode.failed, 'failed', result.message);
    case 'no peer':
      return failure(ExitCode.refused, 'no-peer', result.message);
    case 'policy':
      return {
        code: ExitCode.mistake,
        text: `${formatProblems(result.problems, result.source)}\nNothing was changed.`,
        json: { error: 'policy', file: result.source.name, problems: result.problems },
      };
    case 'lockout':
      return lockoutAnswer(result.lockouts);
    case 'expectation':
      return expectationAnswer(result.results);
    case 'unproved':
      return unprovedAnswer(result.difference);
    case 'stale': {
      const { basis, found } = result;
      const message =
        `this was planned on another state than the one that is there (${basis}, now ${found}): the policy file or ` +
        'the loaded rules have changed meanwhile; nothing was changed. Look, and say it again';
      return failure(ExitCode.refused, 'stale', message, { basis, found });
    }
    case 'no policy': {
      const message =
        `${result.file} is gone, and a policy without rules would close everything; nothing was changed. ` +
        `What was applied last is ${result.lastApplied}: copy it back, or begin anew with \`moat reset\``;
      return failure(ExitCode.mistake, 'no-policy', message);
    }
    case 'planned':
      return plannedAnswer(result.plan, headline(result.plan), { keeps, first });
    case 'done':
      return doneAnswer(result, headline(result.plan), { keeps, first });
    default:
      throw new Error(result satisfies never);
  }
}

function doneAnswer(
  result: Extract<ChangeResult, { kind: 'done' }>,
  headline: string,
  { keeps, first }: Required<PreviewOptions>,
): Answer {
  const { plan, pending, notes } = result;
  const effects = planEffects(plan);
  const lines = [
    ...first,
    ...effects.lines(keeps),
    plan.table === undefined ? `${headline}; moat is not active (moat enable)` : headline,
  ];
  lines.push(...sessionLines(plan));
  if (pending !== undefined && !pending.fresh) {
    lines.push(`A change still waits for \`moat confirm\` from a new connection; ${pending.seconds} s left.`);
  } else if (pending !== undefined) {
    lines.push(...waitingLines(plan, pending));
  }
  return {
    code: ExitCode.done,
    text: [...lines, ...remarks(plan, notes)].join('\n'),
    json: {
      ...planJson(plan),
      effects: effects.json,
      applied: plan.table !== undefined,
      confirmWithin: pending?.seconds ?? null,
      endsWithSession: pending?.watched ?? null,
      notes,
    },
  };
}

/** What becomes of the change if nobody confirms it. */
function waitingLines({ session }: Plan, { seconds, watched }: Waiting): string[] {
  if (watched) {
    return [
      'Applied. Open a new connection and run `moat confirm` there. If nobody does within ' +
        `${seconds} s, or this session ends, everything goes back.`,
    ];
  }
  const line = `Applied. Open a new connection and run \`moat confirm\` within ${seconds} s, or everything goes back.`;
  // Whoever was told once that the end of a session counts should know where it does not.
  return session?.kind === 'connected'
    ? [
        line,
        'Only the clock counts: this command was given without a shell on a terminal, so its session may end.',
      ]
    : [line];
}

function plannedAnswer(plan: Plan, headline: string, { keeps, first }: Required<PreviewOptions>): Answer {
  const effects = planEffects(plan);
  const rules =
    plan.table === undefined
      ? ['moat is not active: only the policy file would change']
      : plan.change === undefined
        ? ['the rules in the kernel would stay as they are']
        : [
            'nft would be sent:',
            ...plan.change
              .trimEnd()
              .split('\n')
              .map((line) => `  ${line}`),
          ];
  return {
    code: ExitCode.done,
    text: [
      `Nothing is changed (--dry-run). This would be said: ${headline}`,
      ...first,
      ...effects.lines(keeps),
      ...rules,
      ...remarks(plan, plan.notes),
      `To make it only if nothing has changed by then: --if-state ${plan.basis}`,
    ].join('\n'),
    json: {
      ...planJson(plan),
      effects: effects.json,
      dryRun: true,
      applied: false,
      nft: plan.change ?? null,
      notes: plan.notes,
    },
  };
}

/** What was found out about the session that the command is given in. */
export function sessionLines({ session, lockouts }: Plan): string[] {
  if (session?.kind === 'console')
    return [`Your session is at the console (${session.terminal}): no rule reaches it.`];
  if (session?.kind !== 'connected') return [];
  const out = new Set(lockouts);
  const through = session.through === undefined ? '' : ` (through ${session.through.replace(/:.*/, '')})`;
  return session.connections
    .filter(({ loopback }) => !loopback)
    .map((connection) => {
      const from = `${formatAddress(connection.remote.address)}${through}`;
      return out.has(connection)
        ? `Your session from ${from} could not be made again (--allow-lockout).`
        : `Your session from ${from} stays reachable.`;
    });
}

export function remarks(plan: Plan, notes: readonly string[]): string[] {
  const open = plan.table !== undefined && plan.file.policy.defaults.incoming === 'allow';
  return [
    ...(open
      ? [`${colour.warning('WARNING')} default allow incoming: what no rule refuses is open to everybody`]
      : []),
    ...plan.warnings.map(({ message, hint }) =>
      [`${colour.warning('WARNING')} ${message}`, ...(hint === undefined ? [] : [`        ${hint}`])].join(
        '\n',
      ),
    ),
    ...notes.map((note) => `note: ${note}`),
  ];
}

export function planJson(plan: Plan): object {
  return {
    changed: (plan.oldText ?? '') !== plan.file.text || plan.change !== undefined,
    active: plan.table !== undefined,
    proof: plan.proof?.kind ?? null,
    basis: plan.basis,
    narrowing: plan.narrowing,
    warnings: plan.warnings.map(({ message, hint }) => ({ message, hint: hint ?? null })),
  };
}

function expectationAnswer(results: readonly ExpectationResult[]): Answer {
  const lines = results.flatMap((result) => [
    `  ${formatSentence(result.expectation)}`,
    ...failureLines(result),
  ]);
  const message = [
    'the policy would not keep what it expects; nothing was changed.',
    ...lines,
    'change the rules, or take the expectation away: moat delete expect …',
  ].join('\n');
  return failure(ExitCode.refused, 'expectation', message, { expectations: results.map(expectationJson) });
}

function unprovedAnswer(difference: Difference): Answer {
  const message = [
    'the rules would not mean what the policy says; nothing was changed. This is a mistake in moat:',
    ...differenceLines(difference),
    'please report it with the policy. Another way to say the same may do until then',
  ].join('\n');
  return failure(ExitCode.failed, 'unproved', message, { difference: differenceJson(difference) });
}

function lockoutAnswer(lockouts: readonly Lockout[]): Answer {
  const lines = lockouts.flatMap(({ connection, advice: [first, open] }) => {
    const who = `  ${connectionText(connection)}${connection.ours ? ' (your own session)' : ''}`;
    if (first === undefined) {
      return [
        who,
        '    the rule that lets it in must stand before this one: `moat insert N …` puts this one behind it',
      ];
    }
    return [who, `    moat ${first}`, ...(open === undefined ? [] : [`    or, from anywhere: moat ${open}`])];
  });
  const message = [
    'this would lock out who administers this machine now; nothing was changed.',
    'These connections could not be made again. First say:',
    ...new Set(lines),
    'or go on all the same with --allow-lockout',
  ].join('\n');
  return failure(ExitCode.refused, 'lockout', message, {
    lockouts: lockouts.map(({ connection, advice }) => ({
      command: connection.command,
      port: connection.dialled.port,
      from: formatAddress(connection.remote.address),
      ours: connection.ours,
      sentence: advice[0] ?? null,
    })),
  });
}
