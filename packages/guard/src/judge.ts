// The judge: asks `authorize`, takes nothing but a clear yes, and tells the log.
import type { GuardOptions, Reason, Refusal } from './options.ts';

/** Why not, or `undefined` for a clear yes. */
export type Finding = Judged | undefined;
interface Judged {
  readonly reason: Reason;
  readonly error?: unknown;
}

export interface Judge<Request> {
  /** Asks `authorize`; at once where it answers at once. Never throws or rejects, always ends. */
  ask(request: Request): Finding | Promise<Finding>;
  /** Tells the log about a refusal, and gives its status. */
  refusal(method: string | undefined, target: string | undefined, judged: Judged): 401 | 403;
  readonly challenge: string;
  readonly hasAuthorize: boolean;
}

const TIMEOUT = 5000;

/** The options with a judge's behaviour. */
export function judgeBy<Request>(options: GuardOptions<Request>): Judge<Request> {
  const { authorize, log, timeout = TIMEOUT, challenge = 'Bearer' } = options;
  if (authorize !== undefined && typeof authorize !== 'function') {
    throw new TypeError(`authorize: expected a function, got ${typeof authorize}`);
  }
  if (!(timeout > 0 && timeout < 2 ** 31)) {
    throw new TypeError(`timeout: expected milliseconds above 0, got ${String(timeout)}`);
  }
  return {
    challenge,
    hasAuthorize: authorize !== undefined,
    ask(request) {
      if (authorize === undefined) return { reason: 'no authorize' };
      try {
        const answer: unknown = authorize(request);
        return isThenable(answer) ? inTime(answer, timeout) : finding(answer);
      } catch (error) {
        return { reason: 'authorize failed', error };
      }
    },
    refusal(method = '', target = '', judged) {
      const status = judged.reason === 'forbidden' ? 403 : 401;
      const refusal: Refusal = { status, method, target, ...judged };
      try {
        log?.(refusal);
      } catch {
        // A log that fails must not open anything.
      }
      return status;
    },
  };
}

function finding(answer: unknown): Finding {
  if (answer === true) return undefined;
  if (answer === 'forbidden') return { reason: 'forbidden' };
  return { reason: answer === false ? 'not authorized' : 'no clear answer' };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}

function inTime(answer: PromiseLike<unknown>, timeout: number): Promise<Finding> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve({ reason: 'authorize timed out' }), timeout);
    const settle = (found: Finding) => {
      clearTimeout(timer);
      resolve(found);
    };
    const failed = (error: unknown) => settle({ reason: 'authorize failed', error });
    try {
      answer.then((value) => settle(finding(value)), failed);
    } catch (error) {
      // A promise of somebody's own making may throw.
      failed(error);
    }
  });
}
