// moat audit: what strangers can reach on this machine, what answers there, and who opened it
import { auditOf } from '../report/audit.ts';
import { auditJson } from '../report/audit-json.ts';
import { auditText } from '../report/audit-text.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { readInput } from './input.ts';
import { colour, say } from './say.ts';

/** Always ends with 0 unless what it was given cannot be read: what is open is an answer, not a failure. */
export async function auditVerb(context: Context): Promise<void> {
  const read = await readInput(context);
  if (!read.ok) return say(context, read.answer);
  const { input } = read;
  const audit = auditOf(input);
  const text = context.options.json ? '' : auditText(audit, { heading: colour.heading, bad: colour.closed });
  say(context, {
    code: ExitCode.done,
    text,
    json: context.options.json ? { source: input.source, ...auditJson(audit) } : {},
  });
}
