// What the doctor looks at: facts that were gathered, nothing computed from them yet.
import type { Ruleset, Snapshot } from '@moat/netfilter';
import type { BootUnitState } from '../apply/boot-state.ts';
import type { IptablesDisabled } from '../kernel/docker-iptables.ts';
import type { FirewallFiles } from '../kernel/firewall-files.ts';
import type { BrokenGeneration } from '../kernel/generations.ts';
import type { Listener } from '../kernel/listeners.ts';
import type { MissingFeature, NftState } from '../kernel/nft-features.ts';
import type { ServiceState } from '../kernel/services.ts';
import type { Policy } from '../policy/model.ts';

export interface Facts {
  /** Everybody's rules; without any where they could not be read. */
  readonly ruleset: Ruleset;
  /** Absent for bare dumps. */
  readonly snapshot: Snapshot | undefined;
  /** Seconds since 1970. */
  readonly now: number;
  /** Where sshd listens, and where it is told to. */
  readonly ssh: readonly SshPort[];
  /** What only the machine itself can tell; undefined: a file is looked at. */
  readonly machine: LiveFacts | undefined;
}

export interface LiveFacts {
  readonly nft: NftState;
  /** undefined: could not be tried. */
  readonly missingFeatures: readonly MissingFeature[] | undefined;
  readonly services: readonly ServiceState[];
  readonly files: FirewallFiles;
  readonly dockerIptables: IptablesDisabled | undefined;
  /** What `iptables` is here. */
  readonly iptables: 'nft' | 'legacy' | undefined;
  /** `lxc`, `docker`, …; undefined: no container. */
  readonly container: string | undefined;
  /** undefined: nobody who could tell. */
  readonly clockSynchronised: boolean | undefined;
  /** Programs that the way back needs and does not find. */
  readonly missingPrograms: readonly string[];
  readonly moat: MoatFacts;
}

/** A TCP port on which an ssh server listens, or is told to. */
export interface SshPort {
  readonly port: number;
  /** Its sockets, one for each family and address; of one that does not listen yet, those that it would have. */
  readonly listeners: readonly Listener[];
  /** The process; undefined: /etc/ssh/sshd_config alone says so. */
  readonly process: string | undefined;
  /** The rules of everybody let nobody come in there; asked of files only. */
  readonly isClosed: boolean;
}

export interface MoatFacts {
  /** Its table is in the kernel. */
  readonly active: boolean;
  /** The policy in force; of a moat that is not active the policy file's. undefined: there is none, or it has mistakes. */
  readonly policy: Policy | undefined;
  /** The sentences that the loaded rules were made from are known. */
  readonly appliedKnown: boolean;
  /** What in the kernel is not as the policy in force has it. */
  readonly drifted: readonly string[];
  /** A daemon runs. */
  readonly watched: boolean;
  readonly pending: PendingFacts | undefined;
  readonly brokenGenerations: readonly BrokenGeneration[];
  /** When the newest generation was applied: seconds since 1970. */
  readonly lastApplied: number | undefined;
  readonly boot: BootFacts;
}

export interface PendingFacts {
  /** Until it goes back. */
  readonly secondsLeft: number;
  /** Its time was over long ago, or another boot has begun. */
  readonly overdue: boolean;
}

export interface BootFacts {
  /** The file of rules for boot; undefined: there is none. */
  readonly rules: string | undefined;
  /** Why they would not load, in words; undefined: they would, or that could not be tried. */
  readonly refusal: string | undefined;
  /** What loads them. */
  readonly unit: BootUnitState;
}
