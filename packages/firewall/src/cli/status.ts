// moat status [verbose|numbered]
import { formatAddress, type IpFamily, intervalSetHas } from '@moat/netfilter';
import { driftedObjects } from '../apply/drift.ts';
import { listTable } from '../apply/listed.ts';
import { type Listener, readListeners } from '../kernel/listeners.ts';
import { readAppliedPolicy, readBootRules, readPending, readPolicyText } from '../kernel/state.ts';
import type { Policy, RuleSentence } from '../policy/model.ts';
import { formatSentence } from '../policy/print.ts';
import { answeringText, isLoopback, type Reach, reachOf } from '../report/reach.ts';
import { familiesOf, sideText } from '../report/sides.ts';
import { table } from '../report/table.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { colour, say } from './say.ts';
import { readPolicy } from './show.ts';

export const STATUS_FORMS = ['verbose', 'numbered'] as const;
export type StatusForm = (typeof STATUS_FORMS)[number];

export async function statusVerb(context: Context, form: StatusForm | undefined): Promise<void> {
  const { paths } = context;
  const read = readPolicy(context);
  if (!read.ok) return say(context, read.answer);
  const { policy } = read;
  const loaded = await listTable();
  const active = loaded !== undefined;
  const atBoot = readBootRules(paths) !== undefined;
  const pending = readPending(paths);
  const { listeners, docker } = await readListeners();
  const notes: string[] = [];
  if (!active && atBoot) notes.push('moat is enabled, but its rules are not in the kernel: moat reload');
  const applied = readAppliedPolicy(paths);
  if (active && applied !== undefined && applied !== (readPolicyText(paths) ?? '')) {
    notes.push('the policy file was edited and is not in force: moat reload');
  }
  const drifted = loaded === undefined ? [] : driftedObjects(paths, context.services, loaded, docker);
  if (drifted.length > 0) {
    notes.push(
      `the rules in the kernel are not those of the policy (${drifted.join(', ')}): what stands above may be ` +
        'wrong; moat reload',
    );
  }
  if (docker?.kind === 'unreadable')
    notes.push(`Docker could not be asked for its containers: ${docker.reason}`);
  const secondsLeft = pending === undefined ? undefined : Math.round(pending.deadline - Date.now() / 1000);
  if (secondsLeft !== undefined) {
    notes.push(
      `a change waits for \`moat confirm\` from a new connection; ${Math.max(0, secondsLeft)} s left`,
    );
  }
  const reaches: readonly Reach[] = active
    ? reachOf(policy, listeners).filter(({ sources }) => sources.length > 0)
    : reachOf({ ...policy, rules: [], defaults: { ...policy.defaults, incoming: 'allow' } }, listeners);
  const text = [
    `Status: ${active ? 'active' : 'inactive'}`,
    ...(form === 'verbose' ? settings(policy) : []),
    ...(active || form === 'numbered' ? ruleTable(policy, listeners, form) : []),
    ...openTable(reaches, active),
    ...notes.map((note) => `note: ${note}`),
  ].join('\n');
  const json = {
    active,
    enabledAtBoot: atBoot,
    drifted,
    defaults: policy.defaults,
    logging: policy.logging,
    confirmWithin: secondsLeft ?? null,
    rules: policy.rules.map((rule, i) => ({
      number: i + 1,
      sentence: formatSentence(rule),
      action: rule.action,
      direction: rule.direction,
      families: familiesOf(rule, policy),
      comment: rule.comment ?? null,
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

function ruleTable(policy: Policy, listeners: readonly Listener[], form: StatusForm | undefined): string[] {
  if (policy.rules.length === 0)
    return ['', 'No rules: nothing may come in'].slice(0, policy.defaults.incoming === 'allow' ? 0 : 2);
  const numbered = form === 'numbered';
  const rowsFor = (direction: readonly RuleSentence['direction'][]): string[][] =>
    (['ipv4', 'ipv6'] as const).flatMap((family) =>
      policy.rules.flatMap((rule, i) => {
        if (!direction.includes(rule.direction) || !familiesOf(rule, policy).includes(family)) return [];
        return [ruleRow(rule, family, listeners, form, numbered ? [`[${String(i + 1).padStart(2)}]`] : [])];
      }),
    );
  // As ufw has it: outgoing rules in a block of their own, but all of them by number.
  const blocks = numbered ? [rowsFor(['in', 'out'])] : [rowsFor(['in']), rowsFor(['out'])];
  const head = ['To', 'Action', 'From', 'Answers', ''];
  const blank = numbered ? [''] : [];
  const rows = [
    [...blank, ...head],
    [...blank, ...head.map((word) => '-'.repeat(word.length))],
  ];
  const lines = table([...rows, ...blocks.flat()]).split('\n');
  const [incoming] = blocks;
  const middle = rows.length + incoming!.length;
  const outgoing = lines.slice(middle);
  return ['', ...lines.slice(0, middle), ...(outgoing.length === 0 ? [] : ['', ...outgoing])];
}

function ruleRow(
  rule: RuleSentence,
  family: IpFamily,
  listeners: readonly Listener[],
  form: StatusForm | undefined,
  number: readonly string[],
): string[] {
  const answers = answersOf(rule, listeners).filter((listener) => listener.family === family);
  const names = [...new Set(answers.map(({ what }) => answeringText(what)))];
  const direction = rule.direction === 'out' ? 'OUT' : form === undefined ? '' : 'IN';
  return [
    ...number,
    sideText(rule, 'to', family),
    `${rule.action.toUpperCase()} ${direction}`.trimEnd(),
    sideText(rule, 'from', family),
    rule.direction === 'in' && rule.to.ports !== undefined ? names.join(', ') || '-' : '',
    rule.comment === undefined ? '' : `# ${rule.comment}`,
  ];
}

function answersOf(rule: RuleSentence, listeners: readonly Listener[]): Listener[] {
  const { ports } = rule.to;
  if (rule.direction !== 'in' || ports === undefined) return [];
  return listeners.filter(
    ({ port, protocol, address }) =>
      intervalSetHas(ports, port) &&
      (rule.protocol === 'any' || rule.protocol === protocol) &&
      !isLoopback(address),
  );
}

function openTable(reaches: readonly Reach[], active: boolean): string[] {
  if (reaches.length === 0) return ['', 'Nothing that listens can be reached from outside.'];
  const rows = new Map<string, { cells: string[]; families: Set<string> }>();
  for (const { listener, sources, rules } of reaches) {
    const opener = listener.what.kind === 'container' ? 'docker' : 'no firewall';
    const by = active ? rules.map((rule) => (rule === 0 ? 'default' : `rule ${rule}`)).join(', ') : opener;
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
  const head = ['OPEN TO', 'PORT', 'WHAT', active ? 'BY' : 'OPENED BY', ''];
  const title = active
    ? []
    : [colour.closed('No firewall of moat: everything that listens can be reached as far as others let it.')];
  return ['', ...title, table([head, ...lines])];
}
