// What every verb gets: the options, where the files are, and how to speak.
import { type Paths, pathsUnder } from '../kernel/paths.ts';
import type { Peer } from '../kernel/peer.ts';
import { readServicesText } from '../kernel/services-file.ts';
import { parseServices, type Services } from '../policy/services.ts';

/** Options that stand before or after any verb. */
export interface Options {
  readonly json: boolean;
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly confirm: number;
  readonly root: string;
  readonly allowLockout: boolean;
  readonly keepFlows: boolean;
  /** A change is confirmed by reaching this peer again. */
  readonly confirmByPeer: Peer | undefined;
  /** With `confirm`: wait for so much longer instead. */
  readonly extend: string | undefined;
  /** The state that a change is meant for (`basis` of a dry run). */
  readonly ifState: string | undefined;
  /** File of a snapshot to look at instead of this machine. */
  readonly snapshot: string | undefined;
  /** Files of bare dumps to look at instead of this machine. */
  readonly rulesets: readonly string[];
}

export interface Context {
  readonly options: Options;
  readonly paths: Paths;
  /** The command as typed, for those who wait for its lock. */
  readonly command: string;
  readonly services: Services;
}

export function contextOf(options: Options, args: readonly string[]): Context {
  return {
    options,
    paths: pathsUnder(options.root),
    command: `moat ${args.join(' ')}`,
    services: parseServices(readServicesText()),
  };
}
