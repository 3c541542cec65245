// A port of sshd that no rule lets anybody come in by: the next login fails, or the one after the next restart of sshd.
import { liveAt } from '../policy/live.ts';
import type { Policy } from '../policy/model.ts';
import { reachOf } from '../report/reach.ts';
import type { Facts, SshPort } from './facts.ts';
import type { Finding } from './finding.ts';

export function sshPorts(facts: Facts): Finding[] {
  const { machine, now, ssh } = facts;
  if (machine === undefined)
    return ssh.filter(({ isClosed }) => isClosed).map((each) => findingOf(each, true));
  const { policy, active } = machine.moat;
  if (policy === undefined) return [];
  const live = liveAt(policy, now);
  return ssh.filter((each) => !letsIn(live, each)).map((each) => findingOf(each, active));
}

function findingOf({ port, process }: SshPort, active: boolean): Finding {
  return {
    id: 'ssh-port',
    severity: 'high',
    what:
      process === undefined
        ? `/etc/ssh/sshd_config has port ${port}, and no rule allows it`
        : `${process} listens on ${port}/tcp, and no rule allows it`,
    why: active ? 'nobody can log in there' : 'once moat is enabled, nobody can log in there',
    mend: [`moat allow ${port}/tcp`],
  };
}

/** Whether somebody outside can come in, in one family at least; what is on loopback alone is nobody's business. */
export function letsIn(policy: Policy, { listeners }: SshPort): boolean {
  const reaches = reachOf(policy, listeners);
  return reaches.length === 0 || reaches.some(({ sources }) => sources.length > 0);
}
