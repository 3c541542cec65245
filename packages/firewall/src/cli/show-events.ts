// moat show events: what the daemon told, the newest last
import { readEventLines } from '../kernel/event-file.ts';
import { eventWords, type ToldEvent } from '../report/daemon-event.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import type { Answer } from './say.ts';

const SHOWN = 50;

/** The last of them in words; all that are kept as JSON. A line that was torn is left out. */
export function showEvents({ paths }: Context): Answer {
  const events = readEventLines(paths).flatMap((line) => {
    try {
      return [JSON.parse(line) as ToldEvent];
    } catch {
      return [];
    }
  });
  const lines = events
    .slice(-SHOWN)
    .map((event) => `${event.time.replace(/\.\d+Z$/, 'Z')}  ${eventWords(event)}`);
  const none = 'No daemon has told anything yet (moat daemon --install)';
  return { code: ExitCode.done, text: lines.length === 0 ? none : lines.join('\n'), json: { events } };
}
