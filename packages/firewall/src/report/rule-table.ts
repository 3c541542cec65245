// The table of rules in `moat status`: ufw's columns, and what answers behind each port.
import { type IpFamily, intervalSetHas } from '@moat/netfilter';
import type { Listener } from '../kernel/listeners.ts';
import type { Policy, RuleSentence } from '../policy/model.ts';
import { formatDuration } from '../policy/time.ts';
import { answeringText, isLoopback } from './reach.ts';
import { familiesOf, sideText } from './sides.ts';
import { table } from './table.ts';

/** How much is told: `verbose` names the direction, `numbered` also counts, and keeps all rules together. */
export type RuleTableForm = 'verbose' | 'numbered' | undefined;

/**
 * Lines with To, Action, From, and what answers there; a row for each family that a sentence speaks of. `leftOf`: the
 * seconds until a rule ends, 0 where it has ended, undefined where it never does.
 */
export function ruleTable(
  policy: Policy,
  listeners: readonly Listener[],
  form: RuleTableForm,
  leftOf: (rule: RuleSentence) => number | undefined,
): string[] {
  if (policy.rules.length === 0)
    return ['', 'No rules: nothing may come in'].slice(0, policy.defaults.incoming === 'allow' ? 0 : 2);
  const numbered = form === 'numbered';
  const rowsFor = (direction: readonly RuleSentence['direction'][]): string[][] =>
    (['ipv4', 'ipv6'] as const).flatMap((family) =>
      policy.rules.flatMap((rule, i) => {
        if (!direction.includes(rule.direction) || !familiesOf(rule, policy).includes(family)) return [];
        const number = numbered ? [`[${String(i + 1).padStart(2)}]`] : [];
        return [ruleRow(rule, family, listeners, form, number, leftOf(rule))];
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
  form: RuleTableForm,
  number: readonly string[],
  left: number | undefined,
): string[] {
  const answers = answersOf(rule, listeners).filter((listener) => listener.family === family);
  const names = [...new Set(answers.map(({ what }) => answeringText(what)))];
  const direction = rule.direction === 'out' ? 'OUT' : form === undefined ? '' : 'IN';
  return [
    ...number,
    sideText(rule, 'to', family),
    `${rule.action.toUpperCase()} ${direction}`.trimEnd(),
    sideText(rule, 'from', family),
    left === 0 ? '' : answersText(rule, names),
    [
      left === undefined ? '' : left === 0 ? '(ended)' : `(${formatDuration(left)} left)`,
      rule.comment === undefined ? '' : `# ${rule.comment}`,
    ]
      .filter((part) => part !== '')
      .join(' '),
  ];
}

/** Only what can be reached answers: a refusal shows nothing. */
function answersText(rule: RuleSentence, names: readonly string[]): string {
  const opens = rule.action === 'allow' || rule.action === 'limit';
  if (!opens || rule.direction === 'out' || rule.to.ports === undefined) return '';
  return names.join(', ') || '-';
}

/** What listens behind an incoming rule for ports. */
export function answersOf(rule: RuleSentence, listeners: readonly Listener[]): Listener[] {
  const { ports } = rule.to;
  if (rule.direction !== 'in' || ports === undefined) return [];
  return listeners.filter(
    ({ port, protocol, address }) =>
      intervalSetHas(ports, port) &&
      (rule.protocol === 'any' || rule.protocol === protocol) &&
      !isLoopback(address),
  );
}
