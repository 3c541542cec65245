// Gathering what the doctor looks at, from a snapshot or from this machine.
import { parseAddress } from '@moat/netfilter';
import { bootUnitState } from '../apply/boot-state.ts';
import { driftedObjects } from '../apply/drift.ts';
import { listTable } from '../apply/listed.ts';
import type { Facts, LiveFacts, MoatFacts, SshPort } from '../doctor/facts.ts';
import { NFTABLES_SERVICE } from '../doctor/flush-ruleset.ts';
import { MANAGER_SERVICES } from '../doctor/other-managers.ts';
import { WAY_BACK_PATH, WAY_BACK_PROGRAMS } from '../doctor/way-back-programs.ts';
import { isSshServer } from '../kernel/admin-connections.ts';
import { runningDaemon } from '../kernel/daemon-file.ts';
import { readDocker } from '../kernel/docker.ts';
import { iptablesDisabled } from '../kernel/docker-iptables.ts';
import { readFirewallFiles } from '../kernel/firewall-files.ts';
import { readGenerations } from '../kernel/generations.ts';
import type { Listener } from '../kernel/listeners.ts';
import {
  clockIsSynchronised,
  containerKind,
  iptablesBackend,
  missingPrograms,
} from '../kernel/machine-kind.ts';
import { missingNftFeatures, nftFileRefusal, nftState } from '../kernel/nft-features.ts';
import type { Paths } from '../kernel/paths.ts';
import { serviceStates } from '../kernel/services.ts';
import { snapshotListeners } from '../kernel/snapshot-listeners.ts';
import { configuredSshPorts } from '../kernel/sshd-config.ts';
import {
  bootFile,
  hasBootRules,
  hasOutlivedPending,
  readAppliedPolicy,
  readBootRules,
  readPending,
  readPolicyText,
  secondsSinceBoot,
  secondsUntil,
} from '../kernel/state.ts';
import type { Policy } from '../policy/model.ts';
import { auditOf } from '../report/audit.ts';
import type { Context } from './context.ts';
import type { Input } from './input.ts';
import { appliedPolicy } from './policy-in-force.ts';
import { readPolicy } from './show.ts';

const SSH_SERVICES = ['ssh', 'sshd', 'ssh.socket', 'sshd.socket'];
const SERVICES: readonly string[] = [...MANAGER_SERVICES, NFTABLES_SERVICE, ...SSH_SERVICES];

/** `live`: the input is this machine, and so the rest is asked of it as well. */
export async function gatherFacts(context: Context, input: Input, live: boolean): Promise<Facts> {
  const { ruleset, snapshot } = input;
  const listening = sshListeners(input);
  if (!live) {
    const now = Math.floor(Date.parse(snapshot?.taken ?? '1970-01-01') / 1000);
    return { ruleset, snapshot, now, ssh: withClosed(input, listening), machine: undefined };
  }
  const machine = await askMachine(context);
  const ssh = [...listening, ...configured(machine, listening)];
  return { ruleset, snapshot, now: Math.floor(Date.now() / 1000), ssh, machine };
}

async function askMachine(context: Context): Promise<LiveFacts> {
  const [nft, missingFeatures, services, iptables, clockSynchronised] = await Promise.all([
    nftState(),
    missingNftFeatures(),
    serviceStates(SERVICES),
    iptablesBackend(),
    clockIsSynchronised(),
  ]);
  return {
    ...{ nft, missingFeatures, services, iptables, clockSynchronised },
    files: readFirewallFiles(),
    dockerIptables: iptablesDisabled(),
    container: containerKind(),
    missingPrograms: missingPrograms(WAY_BACK_PROGRAMS, WAY_BACK_PATH),
    moat: await moatFacts(context, nft.kind === 'works'),
  };
}

async function moatFacts(context: Context, nftWorks: boolean): Promise<MoatFacts> {
  const { paths, services } = context;
  const loaded = nftWorks ? await listTable() : undefined;
  const active = loaded !== undefined;
  const waits = readPending(paths);
  const { whole, broken } = readGenerations(paths);
  const newest = whole.at(-1);
  const rules = hasBootRules(paths) ? bootFile(paths) : undefined;
  const overdue =
    waits === undefined ? hasOutlivedPending(paths) : waits.deadline + GRACE_SECONDS < secondsSinceBoot();
  return {
    active,
    policy: active ? (appliedPolicy(paths, services) ?? written(context)) : written(context),
    watched: runningDaemon(paths) !== undefined,
    appliedKnown: readAppliedPolicy(paths) !== undefined,
    drifted: loaded === undefined ? [] : await driftedObjects(paths, services, loaded, await readDocker()),
    pending:
      waits === undefined && !overdue
        ? undefined
        : { secondsLeft: waits === undefined ? 0 : secondsUntil(waits.deadline), overdue },
    brokenGenerations: broken,
    lastApplied: newest === undefined ? undefined : Date.parse(newest.when) / 1000,
    boot: {
      rules,
      refusal: rules === undefined ? undefined : await bootRefusal(paths, rules, nftWorks),
      unit: await bootUnitState(paths),
    },
  };
}

/** Why a boot would pass over the rules for it. */
async function bootRefusal(paths: Paths, rules: string, nftWorks: boolean): Promise<string | undefined> {
  if (readBootRules(paths) === undefined) return 'it is not whole, or was edited';
  return nftWorks ? await nftFileRefusal(rules) : undefined;
}

/** So late may a way back be, waiting for its lock. */
const GRACE_SECONDS = 30;

/** What the policy file says; undefined: there is none, or it has mistakes, which every other command tells. */
function written(context: Context): Policy | undefined {
  if (readPolicyText(context.paths) === undefined) return undefined;
  const read = readPolicy(context);
  return read.ok ? read.policy : undefined;
}

function sshListeners({ snapshot }: Input): SshPort[] {
  const ports = new Map<number, { process: string; listeners: Listener[] }>();
  for (const listener of snapshot === undefined ? [] : snapshotListeners(snapshot).listeners) {
    const { protocol, port, what } = listener;
    if (protocol !== 'tcp' || what.kind !== 'process' || !isSshServer(what.name)) continue;
    const known = ports.get(port) ?? { process: what.name, listeners: [] };
    known.listeners.push(listener);
    ports.set(port, known);
  }
  return [...ports].map(([port, known]) => ({ port, ...known, isClosed: false }));
}

/** Ports of /etc/ssh/sshd_config on which nothing listens: of a server that runs, or that something starts. */
function configured({ services }: LiveFacts, listening: readonly SshPort[]): SshPort[] {
  const starts = services.some(
    ({ name, atBoot, active }) => SSH_SERVICES.includes(name) && (atBoot || active === true),
  );
  if (!starts && listening.length === 0) return [];
  const ports = (configuredSshPorts() ?? []).filter((port) => !listening.some((each) => each.port === port));
  return ports.map((port) => {
    const what = { kind: 'unknown', uid: 0 } as const;
    const listeners = (['0.0.0.0', '::'] as const).map((text): Listener => {
      const address = parseAddress(text)!;
      return { protocol: 'tcp', family: address.family, address, port, what };
    });
    return { port, listeners, process: undefined, isClosed: false };
  });
}

/** Of a file: what the rules in it, whoever they are from, let nobody reach. */
function withClosed(input: Input, ports: readonly SshPort[]): SshPort[] {
  if (ports.length === 0) return [];
  const { closed, exposures } = auditOf(input);
  return ports.map((each) => ({
    ...each,
    isClosed:
      closed.some(({ socket, why }) => socket.port === each.port && why === 'rules') &&
      !exposures.some(
        ({ proto, ports: { first, last } }) => proto === 'tcp' && first <= each.port && each.port <= last,
      ),
  }));
}
