// What the last boot had to do without, in words.
import type { BootRecord } from '../kernel/boot-record.ts';

/** Nothing where it loaded all of the last confirmed rules. `hasPolicy`: there is a policy file to load again. */
export function bootNotes(record: BootRecord | undefined, hasPolicy: boolean): string[] {
  if (record === undefined) return [];
  const { rung, skipped, without } = record;
  const because = skipped.join('; ');
  const mend = hasPolicy
    ? 'run `moat reload`'
    : 'the policy file is gone as well: `moat history` tells whether there is a state to `moat undo` to, else say the ' +
      'rules again; then `moat enable`';
  const notes: string[] = [];
  switch (rung) {
    case 'confirmed':
      break;
    case 'before':
      notes.push(
        `this boot loaded the confirmed rules from before the last ones, because of ${because}; ${mend}`,
      );
      break;
    case 'emergency':
      notes.push(
        `this boot loaded the emergency rules (ssh from anywhere, all else closed), because of ${because}; ${mend}`,
      );
      break;
    case 'none':
      notes.push(`this boot could load no rules at all, because of ${because}; ${mend}`);
      break;
    default:
      rung satisfies never;
  }
  if (without.length > 0) {
    notes.push(
      `this boot loaded rules without ${without.join('; without ')}; what can still be read of it: ${mend}`,
    );
  }
  return notes;
}
