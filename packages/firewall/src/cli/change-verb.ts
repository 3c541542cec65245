// What all verbs that change something share: run the change, tell it.
import { makeChange } from '../apply/change.ts';
import { refreshNames } from '../apply/names.ts';
import { makeChangeWithPeer, type PeerChangeResult } from '../apply/peer-confirm.ts';
import type { ChangeRequest, EditResult, Remark } from '../apply/plan.ts';
import { readAppliedPolicy } from '../kernel/state.ts';
import type { Edit, EditResult as PolicyEdit } from '../policy/edit.ts';
import type { PolicyFile } from '../policy/file.ts';
import { undefinedGroups } from '../policy/groups.ts';
import type { Word } from '../policy/words.ts';
import { changedName } from '../report/names-text.ts';
import { changeAnswer } from './change-answer.ts';
import type { Context } from './context.ts';
import { say } from './say.ts';

/** Runs a change with the options of the command line. */
export async function change(
  context: Context,
  what: Pick<ChangeRequest, 'edit' | 'activate' | 'restores'> & { readonly allowLockout?: boolean },
): Promise<PeerChangeResult> {
  const { options, paths, command, services } = context;
  const request: ChangeRequest = {
    command,
    services,
    confirmSeconds: options.confirm,
    allowLockout: options.allowLockout,
    ...what,
    dryRun: options.dryRun,
    keepFlows: options.keepFlows,
    basis: options.ifState,
  };
  const notes = what.edit === undefined && !options.dryRun ? await newAnswers(context, what.activate) : [];
  const peer = options.confirmByPeer;
  const result = await (peer === undefined
    ? makeChange(paths, request)
    : makeChangeWithPeer(paths, request, peer));
  return result.kind === 'done' ? { ...result, notes: [...notes, ...result.notes] } : result;
}

/** `reload` and `enable` ask for names anew, before and apart from the change: what DNS says is no change of the policy. */
async function newAnswers({ paths, services, command }: Context, activate: boolean): Promise<string[]> {
  if (!activate && readAppliedPolicy(paths) === undefined) return [];
  const taken = await refreshNames(paths, { services, command }).catch(
    (error: Error) => ({ kind: 'failed', message: error.message }) as const,
  );
  if (taken === undefined) return [];
  if (taken.kind !== 'done') return [`names in groups were not looked up again: ${taken.message}`];
  const kept = taken.entries.flatMap(({ name, addresses, failed }) =>
    failed === null || addresses.length === 0
      ? []
      : `${name}: ${failed.why}; the last answer is kept: ${addresses.join(', ')}`,
  );
  return [...(taken.lost === undefined ? [] : [taken.lost]), ...taken.changes.map(changedName), ...kept];
}

/** An edit of the policy by a sentence: `text` is what was typed, into which its problems point. */
export async function editVerb(
  context: Context,
  typed: {
    readonly text: string;
    readonly warnings: readonly Remark[];
    readonly groupWords?: readonly Word[];
  },
  edit: (file: PolicyFile) => PolicyEdit,
  /** What is told of an edit that touches no rule, e.g. `Group blog`. */
  subject = 'Policy',
): Promise<void> {
  let made: Edit | undefined;
  const result = await change(context, {
    activate: false,
    edit(file): EditResult {
      const source = { name: undefined, text: typed.text };
      const problems = undefinedGroups(typed.groupWords ?? [], 1, file.policy.groups.keys());
      if (problems.length > 0) return { ok: false, problems, source };
      const edited = edit(file);
      if (!edited.ok) return { ...edited, source };
      made = edited;
      return { ok: true, text: edited.text, warnings: [...typed.warnings, ...edited.warnings] };
    },
  });
  const answer = changeAnswer(result, () => headline(made!, subject));
  const outcome = made === undefined ? {} : { outcome: made.outcome, rules: made.rules };
  say(context, { ...answer, json: { ...outcome, ...answer.json } });
}

const WORDS: Readonly<Record<Edit['outcome'], string>> = {
  added: 'added',
  exists: 'is there already: nothing to do',
  updated: 'changed in place',
  moved: 'moved',
  deleted: 'deleted',
};

function headline({ outcome, rules }: Edit, subject: string): string {
  if (rules.length === 0) return `${subject} ${WORDS[outcome]}`;
  const numbers = rules.length === 1 ? `Rule ${rules[0]}` : `Rules ${rules.join(', ')}`;
  return `${numbers} ${WORDS[outcome]}`;
}
