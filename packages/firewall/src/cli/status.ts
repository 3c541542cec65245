// moat status [verbose|numbered]
import { type Exposure, formatAddress } from '@moat/netfilter';
import { isBootKept } from '../apply/boot.ts';
import { DAEMON_UNIT, isDaemonInstalled } from '../apply/daemon-unit.ts';
import { driftedObjects } from '../apply/drift.ts';
import { listTable } from '../apply/listed.ts';
import { timeLeftIn } from '../apply/time-of-rules.ts';
import { readBootRecord } from '../kernel/boot-record.ts';
import { type RunningDaemon, runningDaemon } from '../kernel/daemon-file.ts';
import { readListeners } from '../kernel/listeners.ts';
import { readNames } from '../kernel/names-file.ts';
import {
  hasBootRules,
  readAppliedPolicy,
  readPending,
  readPolicyText,
  secondsUntil,
  wayBackSinceChange,
} from '../kernel/state.ts';
import type { Policy, RuleSentence } from '../policy/model.ts';
import { formatSentence } from '../policy/print.ts';
import { formatMoment } from '../policy/time.ts';
import { type Audit, auditOf } from '../report/audit.ts';
import { exposureJson } from '../report/audit-json.ts';
import { answers, openTable as auditTable } from '../report/audit-text.ts';
import { bootNotes } from '../report/boot.ts';
import { groupTable, type NameState, nameStates, nameTrouble } from '../report/names-text.ts';
import { answeringText, type Reach, reachOf } from '../report/reach.ts';
import { answersOf, ruleTable } from '../report/rule-table.ts';
import { familiesOf } from '../report/sides.ts';
import { table } from '../report/table.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { readInput } from './input.ts';
import { appliedPolicy, NO_FIREWALL } from './policy-in-force.ts';
import { colour, say } from './say.ts';
import { readPolicy } from './show.ts';

export const STATUS_FORMS = ['verbose', 'numbered'] as const;
export type StatusForm = (typeof STATUS_FORMS)[number];

export async function statusVerb(context: Context, form: StatusForm | undefined): Promise<void> {
  const { paths, services } = context;
  const loaded = await listTable();
  const active = loaded !== undefined;
  const applied = active ? readAppliedPolicy(paths) : undefined;
  const written = readPolicy(context);
  const inForce = active ? appliedPolicy(paths, services) : undefined;
  // Numbers are for `insert` and `delete`, which go by the file; else what holds is shown, not what is written.
  const policy = (form === 'numbered' ? undefined : inForce) ?? (written.ok ? written.policy : undefined);
  if (policy === undefined) return written.ok ? undefined : say(context, written.answer);
  const leftOf = timeLeftIn(loaded, Math.floor(Date.now() / 1000));
  const says = (rule: RuleSentence): boolean => leftOf(rule) !== 0;
  const atBoot = hasBootRules(paths);
  const pending = readPending(paths);
  const { listeners, docker } = await readListeners();
  const notes: string[] = [];
  const boot = readBootRecord(paths);
  const asConfirmed = (boot?.rung ?? 'confirmed') === 'confirmed';
  notes.push(...bootNotes(boot, readPolicyText(paths) !== undefined));
  if (!active && atBoot) notes.push('moat is enabled, but its rules are not in the kernel: moat reload');
  if (active && applied === undefined && asConfirmed) {
    notes.push('the last change was interrupted; to put the policy file in force: moat reload');
  }
  const edited = applied !== undefined && applied !== (readPolicyText(paths) ?? '');
  if (edited) {
    const mistakes = written.ok ? '' : ', has mistakes';
    notes.push(`the policy file was edited${mistakes} and is not in force: moat reload`);
  }
  const ended = policy.rules.filter((rule) => !says(rule)).length;
  if (ended > 0) {
    const [who, takes] = ended === 1 ? ['a rule has', 'it'] : [`${ended} rules have`, 'them'];
    notes.push(
      `${who} ended and ${ended === 1 ? 'says' : 'say'} nothing any more; moat reload takes ${takes} out of the rules`,
    );
  }
  const names = nameStates(policy, readNames(paths).entries, Math.floor(Date.now() / 1000));
  if (active) notes.push(...names.flatMap((name) => nameTrouble(name) ?? []));
  const daemon = runningDaemon(paths);
  if (active && daemon === undefined && isDaemonInstalled(paths)) {
    notes.push(`${DAEMON_UNIT} does not run: what others change is not repaired`);
  }
  const drifted = loaded === undefined ? [] : await driftedObjects(paths, context.services, loaded, docker);
  if (drifted.length > 0) {
    notes.push(
      `the rules in the kernel are not those of the policy (${drifted.join(', ')}): what stands above may be ` +
        'wrong; moat reload',
    );
  }
  if (docker?.kind === 'unreadable')
    notes.push(`Docker could not be asked for its containers: ${docker.reason}`);
  const back = pending === undefined ? wayBackSinceChange(paths) : undefined;
  if (back !== undefined) notes.push(`a change went back by itself: ${back}`);
  const secondsLeft = pending === undefined ? undefined : secondsUntil(pending.deadline);
  if (secondsLeft !== undefined) {
    notes.push(`a change waits for \`moat confirm\` from a new connection; ${secondsLeft} s left`);
  }
  const reaches: readonly Reach[] = active
    ? reachOf(inForce ?? policy, listeners, says).filter(({ sources }) => sources.length > 0)
    : reachOf(NO_FIREWALL, listeners);
  const others = await openedByOthers(context);
  const text = [
    `Status: ${active ? 'active' : 'inactive'}`,
    ...(form === 'verbose' ? [...settings(policy), daemonLine(daemon), ...nameLines(policy, names)] : []),
    ...(active || form === 'numbered' ? ruleTable(policy, listeners, form, leftOf) : []),
    ...(active ? openTable(reaches) : []),
    ...othersTable(others, active),
    ...notes.map((note) => `note: ${note}`),
  ].join('\n');
  const json = {
    active,
    enabledAtBoot: atBoot && isBootKept(paths),
    boot: boot ?? null,
    drifted,
    edited,
    wentBack: back ?? null,
    defaults: policy.defaults,
    logging: policy.logging,
    confirmWithin: secondsLeft ?? null,
    daemon: daemon ?? null,
    names,
    rules: policy.rules.map((rule, i) => ({
      number: i + 1,
      sentence: formatSentence(rule),
      action: rule.action,
      direction: rule.direction,
      families: familiesOf(rule, policy),
      comment: rule.comment ?? null,
      until: rule.until === undefined ? null : formatMoment(rule.until),
      secondsLeft: leftOf(rule) ?? null,
      answers: [...new Set(answersOf(rule, listeners).map(({ what }) => answeringText(what)))],
    })),
    open: reaches.map(({ listener, sources, rules }) => ({
      protocol: listener.protocol,
      family: listener.family,
      address: formatAddress(listener.address),
      port: listener.port,
      what: listener.what,
      sources,
      rules: rules.filter((rule) => rule > 0),
    })),
    openedByOthers: others === undefined ? null : others.exposures.map((each) => exposureJson(others, each)),
    notes,
  };
  say(context, { code: ExitCode.done, text, json });
}

function settings({ defaults, logging }: Policy): string[] {
  return [
    `Logging: ${logging === 'off' ? 'off' : `on (${logging})`}`,
    `Default: ${defaults.incoming} (incoming), ${defaults.outgoing} (outgoing), ${defaults.routed} (routed)`,
  ];
}

function nameLines({ groups }: Policy, names: readonly NameState[]): string[] {
  if (names.length === 0) return [];
  const named = new Map([...groups].filter(([, group]) => group.names.length > 0));
  return ['', groupTable(named, names)];
}

function daemonLine(daemon: RunningDaemon | undefined): string {
  return daemon === undefined
    ? 'Daemon: none: what others change is not repaired (moat daemon --install)'
    : `Daemon: watches since ${daemon.since} (pid ${daemon.pid})`;
}

/** The rule that lets on what was let in before: it opens nothing by itself. */
const PASSED_BEFORE = 'moat:dialled-here';

/** What answers and is reached past moat, by the rules of others or for want of rules. */
async function openedByOthers(context: Context): Promise<Audit | undefined> {
  const read = await readInput(context);
  if (!read.ok) return undefined;
  const audit = auditOf(read.input);
  const isOurs = ({ openedBy }: Exposure): boolean =>
    openedBy.some(
      ({ owner, rule }) => owner === 'moat' && rule !== undefined && rule.rule.comment !== PASSED_BEFORE,
    );
  return { ...audit, exposures: audit.exposures.filter((each) => answers(each) && !isOurs(each)) };
}

function othersTable(others: Audit | undefined, active: boolean): string[] {
  if (others === undefined) return [];
  const lines = auditTable(others, others.exposures);
  if (active) return lines.length === 0 ? [] : ['', colour.closed('Open past moat:'), ...lines];
  if (lines.length === 0) return ['', 'Nothing that listens can be reached from outside.'];
  const title = 'No firewall of moat: everything that listens can be reached as far as others let it.';
  return ['', colour.closed(title), ...lines];
}

function openTable(reaches: readonly Reach[]): string[] {
  if (reaches.length === 0) return ['', 'Nothing that listens can be reached from outside.'];
  const rows = new Map<string, { cells: string[]; families: Set<string> }>();
  for (const { listener, sources, rules } of reaches) {
    const by = rules.map((rule) => (rule === 0 ? 'default' : `rule ${rule}`)).join(', ');
    const cells = [
      sources.join(', '),
      `${listener.port}/${listener.protocol}`,
      answeringText(listener.what),
      by,
    ];
    const row = rows.get(cells.join(' ')) ?? { cells, families: new Set<string>() };
    row.families.add(listener.family === 'ipv4' ? 'v4' : 'v6');
    rows.set(cells.join(' '), row);
  }
  const lines = [...rows.values()].map(({ cells: [to = '', ...rest], families }) => [
    to,
    ...rest,
    [...families].join(' '),
  ]);
  const head = ['OPEN TO', 'PORT', 'WHAT', 'BY', ''];
  return ['', table([head, ...lines])];
}
