// What makes the rules come back after a reboot: a plain nft file and a unit that loads it.
import { renderRemoval } from '@moat/netfilter';
import { TABLE } from '../compile/table.ts';
import { isSshServer } from '../kernel/admin-connections.ts';
import { writeFileAtomic } from '../kernel/atomic-write.ts';
import type { Paths } from '../kernel/paths.ts';
import { socketOwners } from '../kernel/processes.ts';
import { readSockets } from '../kernel/sockets.ts';
import { bootScriptFile, forgetBootRules, stageBootRules } from '../kernel/state.ts';
import { installUnit, removeUnit, systemdRefusal, unitExists } from '../kernel/systemd.ts';
import { BOOT_UNIT, bootScript, bootUnit } from './boot-unit.ts';
import { runDaemonUnit } from './daemon-unit.ts';

const UNIT_FILE = `/etc/systemd/system/${BOOT_UNIT}`;

/** Installs the unit that loads the rules for boot; returns what the admin should know about it. */
export async function enableBoot(paths: Paths): Promise<string[]> {
  const refusal = unitRefusal(paths);
  if (refusal !== undefined) {
    writeFileAtomic(bootScriptFile(paths), `#!/bin/sh\n${bootScript(paths, sshPorts())}\n`);
    return [`no unit was installed (${refusal}): at boot, run \`sh ${bootScriptFile(paths)}\``];
  }
  try {
    const installed = await installUnit(UNIT_FILE, bootUnit(paths, sshPorts()));
    if (installed.kind === 'failed') return [`the boot unit is not in order: ${installed.reason}`];
    return await runDaemonUnit(paths, true);
  } catch (error) {
    // The rules are in force by now; that is not undone for the sake of the next boot.
    return [`the boot unit could not be written: ${(error as Error).message}`];
  }
}

/** The next boot loads nothing of moat. */
export async function disableBoot(paths: Paths): Promise<string[]> {
  // The unit first: one that stays without its rules would close the machine at the next boot.
  const removed = unitRefusal(paths) === undefined ? await removeUnit(UNIT_FILE) : { kind: 'ok' as const };
  if (removed.kind === 'ok') {
    forgetBootRules(paths);
    return [];
  }
  stageBootRules(paths, renderRemoval(TABLE)).commit();
  return [
    `the boot unit could not be removed: ${removed.reason}; at boot it will find no rules and do nothing`,
  ];
}

/** Whether the next boot loads the rules, as far as that can be told from the files. */
export function isBootUnitThere(paths: Paths): boolean {
  return paths.root !== '' || unitExists(UNIT_FILE);
}

function unitRefusal(paths: Paths): string | undefined {
  return paths.root === '' ? systemdRefusal() : `everything is kept under ${paths.root}`;
}

/** Where ssh servers listen now: the emergency rules leave these open. */
export function sshPorts(): number[] {
  const listening = readSockets().filter(({ kind, protocol }) => kind === 'open' && protocol === 'tcp');
  const { owners } = socketOwners(new Set(listening.map(({ inode }) => inode)));
  return listening
    .filter(({ inode }) => owners.get(inode)?.some(({ name }) => isSshServer(name)))
    .map(({ local }) => local.port);
}
