// The gate: what decides about a server's requests and upgrades; each framework's guard makes its own.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Finding, Judge } from './judge.ts';

/** What decides about a server's requests and upgrades. */
export interface Gate {
  /** Whether the listeners may have the request. Without it they have it. */
  admit?(request: IncomingMessage, response: ServerResponse): boolean | Promise<boolean>;
  /** Whether an upgrade was declared public, where no route of the framework says so. */
  opens?(request: IncomingMessage): boolean;
  /** Asks `authorize` about an upgrade. Without it the framework has to release the socket that the upgrade came on. */
  ask?(request: IncomingMessage): Finding | Promise<Finding>;
  /** Whether the framework takes upgrades at all now; without it that is not known. */
  takesUpgrades?(): boolean;
  readonly judge: Pick<Judge<never>, 'refusal' | 'challenge'>;
}
