// What to say first, so that a refused change would not lock anybody out: tried, not guessed.
import { bitsOf, formatAddress, intervalSet, prefixOf, type Table } from '@moat/netfilter';
import type { AdminConnection } from '../kernel/admin-connections.ts';
import { addRule, type EditResult, prependRule } from '../policy/edit.ts';
import type { PolicyFile } from '../policy/file.ts';
import type { RuleSentence } from '../policy/model.ts';
import { formatSentence } from '../policy/print.ts';
import { isLetIn } from './lockout.ts';

/**
 * The commands, without `moat`, after each of which the same change would let the connection in again; the narrowest
 * first. Empty where no sentence of its own helps, since the change puts itself before whatever is there.
 *
 * @param rulesAfter the rules that the change would make of a policy text; undefined where it could not be made
 */
export function adviceFor(
  connection: AdminConnection,
  file: PolicyFile,
  rulesAfter: (text: string) => Table | undefined,
): string[] {
  const [narrow, open] = [allowing(connection, true), allowing(connection, false)];
  return triedSentences(file, [narrow, open], (text) => {
    const rules = rulesAfter(text);
    return rules !== undefined && isLetIn(rules, connection);
  });
}

/**
 * Those of the rules that help where they are added last, as commands without `moat`; where none does, the first one put
 * before all others, if that helps. `helps`: whether a policy of this text does.
 */
export function triedSentences(
  file: PolicyFile,
  rules: readonly [RuleSentence, ...RuleSentence[]],
  helps: (text: string) => boolean,
): string[] {
  // What is there already has not helped.
  const tried = (edited: EditResult): boolean =>
    edited.ok && edited.outcome !== 'exists' && helps(edited.text);
  const appended = rules.filter((rule) => tried(addRule(file, rule)));
  if (appended.length > 0) return appended.map(formatSentence);
  const [first] = rules;
  return tried(prependRule(file, first)) ? [`prepend ${formatSentence(first)}`] : [];
}

function allowing({ remote, dialled }: AdminConnection, onlyFromThere: boolean): RuleSentence {
  const { address } = remote;
  const prefix = prefixOf(address, bitsOf(address.family));
  return {
    kind: 'rule',
    action: 'allow',
    direction: 'in',
    interface: undefined,
    protocol: 'tcp',
    from: { address: onlyFromThere ? { kind: 'prefix', prefix } : { kind: 'any' }, ports: undefined },
    to: { address: { kind: 'any' }, ports: intervalSet([{ first: dialled.port, last: dialled.port }]) },
    comment: undefined,
  };
}

/** Who it is, for messages: `sshd on port 22, from 198.51.100.4`. */
export function connectionText({ command, dialled, remote }: AdminConnection): string {
  return `${command} on port ${dialled.port}, from ${formatAddress(remote.address)}`;
}
