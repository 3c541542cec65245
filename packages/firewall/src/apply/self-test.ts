// The way back tries itself: arm, apply, no confirmation, restored; in namespaces that are thrown away, on this machine.
import { type Table, tableDifferences } from '@moat/netfilter';
import { isSystemNetwork, ownNetwork } from '../kernel/own-network.ts';
import type { Paths } from '../kernel/paths.ts';
import { lastWayBack, readAppliedPolicy, readPending, readPolicyText } from '../kernel/state.ts';
import { inThrowAwayNetwork } from '../kernel/throw-away-network.ts';
import { timerRefusal } from '../kernel/timer-trial.ts';
import { parseServices } from '../policy/services.ts';
import { type ChangeResult, makeChange } from './change.ts';
import { listTable } from './listed.ts';
import type { ChangeRequest } from './plan.ts';
import { WORKINGS, type Workings } from './workings.ts';

/** How the way back did. Times are in milliseconds. */
export type SelfTest =
  /** `waited`: how long the change was given; `backAfter`: how long its rules were in force. */
  | { readonly kind: 'passed'; readonly waited: number; readonly backAfter: number; readonly took: number }
  /** `step`: what could not be done. */
  | { readonly kind: 'failed'; readonly step: SelfTestStep; readonly why: string; readonly took: number }
  /** It could not be tried here; why, in words. */
  | { readonly kind: 'impossible'; readonly why: string };

export type SelfTestStep = 'load the rules' | 'arm and apply a change' | 'go back' | 'timer of systemd';

/** What happened inside. */
export type InnerSelfTest =
  | Omit<Extract<SelfTest, { kind: 'passed' }>, 'took'>
  | Omit<Extract<SelfTest, { kind: 'failed' }>, 'took'>;

/**
 * $1: the folder for everything of moat's, on a disk in memory; the rest: the command. What it makes is not for the
 * machine's log. Whoever is left in this network when it failed is ended.
 */
const SCRIPT = `
mount -t tmpfs -o mode=755 tmpfs /run || exit 98
[ ! -S /dev/log ] || mount --bind /dev/null /dev/log
mkdir "$1" && shift || exit 98
timeout -s KILL 50 "$@"
code=$?
[ "$code" -eq 0 ] && exit 0
for left in /proc/[0-9]*; do
  pid=\${left#/proc/}
  [ "$pid" = "$$" ] || [ "$(readlink "$left/ns/net")" != "$own" ] || kill -KILL "$pid"
done 2>/dev/null
exit "$code"
`;

const ROOT = '/run/moat-self-test';

/** Longer than all that the inside may take by itself. */
const TIMEOUT_MS = 60_000;

/**
 * Takes about a second and a half and changes nothing on this machine. Where systemd keeps the time, one timer of its is
 * set as well, which does nothing. Rejects only for bugs.
 *
 * @param moat how this program is started
 */
export async function testWayBack(
  moat: readonly string[] = [process.execPath, process.argv[1] ?? ''],
): Promise<SelfTest> {
  const begun = performance.now();
  const took = (): number => Math.round(performance.now() - begun);
  const command = [...moat, 'self-test', ownNetwork(), '--root', ROOT];
  const env = { MOAT_ROOT: '', DOCKER_HOST: `unix://${ROOT}/no-docker.sock` };
  const [ended, timer] = await Promise.all([
    inThrowAwayNetwork(SCRIPT, [ROOT, ...command], { timeoutMs: TIMEOUT_MS, env }),
    timerRefusal(),
  ]);
  if (ended.kind === 'impossible') return ended;
  const { ran } = ended;
  const told = innerOf(ran.stdout);
  if (told?.kind === 'failed') return { ...told, took: took() };
  if (told === undefined) {
    if (ran.code === 97 || ran.code === 98) return { kind: 'impossible', why: ran.stderr.trim() };
    // timeout(1): 137 when it had to kill.
    const isLate = ran.timedOut || ran.code === 137;
    const why = isLate ? 'it did not come to an end' : ran.stderr.trim() || `exit code ${ran.code}`;
    return { kind: 'failed', step: 'arm and apply a change', why, took: took() };
  }
  if (timer !== undefined) return { kind: 'failed', step: 'timer of systemd', why: timer, took: took() };
  return { ...told, took: took() };
}

function innerOf(stdout: string): InnerSelfTest | undefined {
  try {
    return JSON.parse(stdout) as InnerSelfTest;
  } catch {
    return undefined;
  }
}

const BEFORE = 'default deny incoming\nallow 22/tcp\nlimit 2222/tcp\n';
const AFTER = 'default deny incoming\nallow 22/tcp\n';

const WAIT_SECONDS = 0.5;
/** How much later than that the rules may be back. */
const PATIENCE_MS = 7000;

/**
 * The inside of it: one change after another by the code that makes all changes. `forbidden`: the network that must not be
 * touched, as the outside names it.
 */
export async function selfTest(paths: Paths, forbidden: string): Promise<InnerSelfTest> {
  if (ownNetwork() === forbidden || isSystemNetwork()) {
    throw new Error(
      'the test of the way back is to be run by `moat doctor`, in a network namespace of its own',
    );
  }
  const failed = (step: SelfTestStep, why: string): InnerSelfTest => ({ kind: 'failed', step, why });
  let listed: Listed | undefined;
  const list = async (): Promise<Table | undefined> => {
    const table = await listTable();
    listed = { table, at: performance.now() };
    return table;
  };
  const workings: Workings = { ...WORKINGS, list };
  const first = await tried(() => changeTo(paths, BEFORE, 0, workings));
  if (first !== undefined) return failed('load the rules', first);
  const before = await listTable();
  if (before === undefined)
    return failed('load the rules', 'they are not in the kernel after they were loaded');
  const second = await tried(() => changeTo(paths, AFTER, WAIT_SECONDS, workings));
  if (second !== undefined) return failed('arm and apply a change', second);
  // What the kernel listed when the change was made: on a busy machine the way back may be through by now.
  const { table: changed, at: begun } = listed!;
  if (isSame(before, changed)) return failed('arm and apply a change', 'the rules did not change');
  const isBack = (): boolean =>
    readPending(paths) === undefined && [readPolicyText(paths), readAppliedPolicy(paths)].every(isBefore);
  const end = performance.now() + WAIT_SECONDS * 1000 + PATIENCE_MS;
  const hasFailed = (): boolean => lastWayBack(paths)?.includes(' failed') ?? false;
  while (!isBack() && !hasFailed() && performance.now() < end) await pause(20);
  const backAfter = Math.round(performance.now() - begun);
  const rulesAreBack = isSame(before, await listTable());
  if (!isBack() || !rulesAreBack) {
    const what = rulesAreBack ? 'the rules were put back, the policy was not' : 'the rules were not put back';
    const said = lastWayBack(paths);
    return failed(
      'go back',
      `${what} within ${backAfter} ms; ${said === undefined ? 'the shell that waits did nothing' : `its log ends with: ${said}`}`,
    );
  }
  return { kind: 'passed', waited: WAIT_SECONDS * 1000, backAfter };
}

interface Listed {
  readonly table: Table | undefined;
  readonly at: number;
}

function isBefore(text: string | undefined): boolean {
  return text === BEFORE;
}

function isSame(a: Table, b: Table | undefined): boolean {
  return b !== undefined && tableDifferences(a, b).length === 0;
}

/** Returns why not, in words. */
async function changeTo(
  paths: Paths,
  text: string,
  confirmSeconds: number,
  workings: Workings,
): Promise<string | undefined> {
  const request: ChangeRequest = {
    command: 'moat self-test',
    services: parseServices(''),
    edit: () => ({ ok: true, text, warnings: [] }),
    activate: true,
    confirmSeconds,
    allowLockout: false,
    dryRun: false,
    keepFlows: true,
  };
  const result = await makeChange(paths, request, workings);
  if (result.kind !== 'done') return refusalOf(result);
  if (confirmSeconds > 0 && result.pending === undefined) return 'the change did not wait for a confirmation';
  return undefined;
}

function refusalOf(result: Exclude<ChangeResult, { kind: 'done' }>): string {
  return 'message' in result ? result.message : `the change was refused (${result.kind})`;
}

async function tried(work: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await work();
  } catch (error) {
    return (error as Error).message;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
