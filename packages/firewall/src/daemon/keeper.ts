// Keeps our table as it is in force: looks when something happened to it, and tells what was found.
import { type InForce, type KeepRequest, keepInForce, type Look } from '../apply/keep.ts';
import type { Sender } from '../kernel/nft-events.ts';
import type { Paths } from '../kernel/paths.ts';
import type { Services } from '../policy/services.ts';
import type { DaemonEvent } from '../report/daemon-event.ts';
import { newContest, type Told } from './contest.ts';
import { oneAtATime } from './one-at-a-time.ts';

export interface Keeper {
  /** Something happened to our table, or may have. */
  noticed(by?: Sender): void;
  /** Programs changed the elements of their sets in it. */
  filled(): void;
  /** The first look, after which the others go on by themselves; whether moat is active. */
  begin(): Promise<boolean>;
  stop(): Promise<void>;
}

export interface KeeperOptions {
  readonly paths: Paths;
  readonly services: Services;
  readonly links: KeepRequest['links'];
  readonly tell: (event: DaemonEvent) => void;
}

/** Looked also where nothing was told: events may be lost. */
const ANYWAY_MS = 60_000;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;
const COMPLAINTS: ReadonlySet<Look['kind']> = new Set(['failed', 'busy', 'not followed']);
/** Bans come one by one. */
const FILLED_MS = 1000;
/** With more elements a look takes longer than it is worth to remember who is in the sets. */
const MOST_ELEMENTS = 5000;

export function newKeeper({ paths, services, links, tell }: KeeperOptions): Keeper {
  let before: InForce | undefined;
  let active: boolean | undefined;
  let looking = false;
  let by: Sender | undefined;
  let noticedAt: number | undefined;
  let retry = FIRST_RETRY_MS;
  let complaint: string | undefined;
  const contest = newContest();

  /** The same again is not told again. */
  const complain = (message: string): void => {
    if (message !== complaint) tell({ event: 'problem', message });
    complaint = message;
  };
  const fail = (message: string): void => {
    complain(message);
    ask(retry);
    retry = Math.min(retry * 2, LONGEST_RETRY_MS);
  };
  const ask = oneAtATime(work, (error) => fail(`the rules cannot be looked at: ${error.message}`));

  async function work(): Promise<void> {
    ask(ANYWAY_MS);
    const [who, since] = [by, noticedAt ?? performance.now()];
    [by, noticedAt] = [undefined, undefined];
    looking = true;
    const look = await keepInForce(paths, { services, before, links }).finally(() => {
      looking = false;
    });
    if (look.kind !== 'failed' && look.kind !== 'busy') retry = FIRST_RETRY_MS;
    if (!COMPLAINTS.has(look.kind)) complaint = undefined;
    heed(look, who, since);
  }

  const become = (now: boolean): void => {
    if (active !== undefined && active !== now) tell({ event: 'active', active: now });
    active = now;
  };

  /** What was found, told. */
  function heed(look: Look, who: Sender | undefined, since: number): void {
    if (look.kind === 'off') before = undefined;
    else if ('inForce' in look) before = look.inForce;
    switch (look.kind) {
      case 'busy':
        fail(look.message);
        break;
      case 'off':
      case 'in force':
        become(look.kind === 'in force');
        break;
      case 'differs':
        become(true);
        tell({ event: 'differs', objects: look.objects });
        break;
      case 'followed':
        tell({ event: 'followed', objects: look.objects });
        break;
      case 'not followed':
        complain(`bridges came or went and the rules do not follow: ${look.message}`);
        break;
      case 'failed':
        if (complaint === undefined) tell(changedEvent(look, who));
        fail(`the rules could not be repaired: ${look.message}`);
        break;
      case 'again': {
        const now = performance.now();
        contest.repaired(now);
        tellContest(contest.told(now), who);
        ask(contest.pause(now));
        break;
      }
      case 'repaired':
        active = true;
        tellRepair(look, who, since);
        break;
      default:
        throw new Error(look satisfies never);
    }
  }

  function tellRepair(
    look: Extract<Look, { kind: 'repaired' }>,
    who: Sender | undefined,
    since: number,
  ): void {
    const now = performance.now();
    contest.repaired(now);
    const told = contest.told(now);
    if (told === 'each') {
      tell(changedEvent(look, who));
      tell({ event: 'repaired', milliseconds: Math.round(now - since) });
    } else tellContest(told, who);
  }

  function tellContest(told: Told, who: Sender | undefined): void {
    if (typeof told === 'object') tell({ event: 'contested', by: who ?? null, ...told });
  }

  return {
    noticed(sender) {
      // What comes while we look may be what we sent ourselves.
      if (!looking) by = sender ?? by;
      noticedAt ??= performance.now();
      ask(contest.pause(performance.now()));
    },
    filled() {
      const count = before?.table.sets.reduce((sum, { elements }) => sum + elements.length, 0) ?? 0;
      if (count <= MOST_ELEMENTS) ask(FILLED_MS);
    },
    async begin() {
      await ask.run();
      return active ?? false;
    },
    stop: ask.stop,
  };
}

function changedEvent(
  { objects, gone }: Extract<Look, { kind: 'repaired' | 'failed' }>,
  by: Sender | undefined,
): DaemonEvent {
  return { event: 'changed', by: by ?? null, gone, objects };
}
