// What makes the rules come back after a reboot: plain nft files, a script that loads them, and what starts that script.
import { renderRemoval } from '@moat/netfilter';
import { TABLE } from '../compile/table.ts';
import { hasContents, keepFile } from '../kernel/atomic-write.ts';
import { mendBanFile } from '../kernel/ban-file.ts';
import { forgetBootRecord, readBootRecord } from '../kernel/boot-record.ts';
import {
  INIT_SCRIPT,
  initScriptExists,
  initSystem,
  installInitScript,
  removeInitScript,
} from '../kernel/init-system.ts';
import type { Paths } from '../kernel/paths.ts';
import { sshPorts } from '../kernel/ssh-ports.ts';
import { bootScriptFile, forgetBootRules, writeBootRules } from '../kernel/state.ts';
import {
  clearFailure,
  installUnit,
  removeUnit,
  type SystemdResult,
  systemdRefusal,
  unitExists,
} from '../kernel/systemd.ts';
import { bootScript } from './boot-script.ts';
import { BOOT_UNIT, bootUnit } from './boot-unit.ts';
import { openrcScript, sysvScript } from './init-script.ts';

/** What the init system of this machine starts. */
interface Starter {
  readonly file: string;
  readonly text: (paths: Paths, sshPorts: readonly number[]) => string;
  readonly install: (text: string) => Promise<SystemdResult>;
  readonly isThere: () => boolean;
  readonly remove: () => Promise<SystemdResult>;
  /** The machine is as it should be after a boot that was not. */
  readonly mended: () => Promise<unknown>;
}

const UNIT_FILE = `/etc/systemd/system/${BOOT_UNIT}`;

const SYSTEMD: Starter = {
  file: UNIT_FILE,
  text: bootUnit,
  install: (text) => installUnit(UNIT_FILE, text),
  isThere: () => unitExists(UNIT_FILE),
  remove: () => removeUnit(UNIT_FILE),
  mended: () => clearFailure(BOOT_UNIT),
};

/** The starter, or why there is none, in words. */
function starter(paths: Paths): Starter | string {
  if (paths.root !== '') return `everything is kept under ${paths.root}`;
  const refusal = systemdRefusal();
  if (refusal === undefined) return SYSTEMD;
  const init = initSystem();
  if (init === undefined) return refusal;
  return {
    file: INIT_SCRIPT,
    text: init === 'openrc' ? openrcScript : sysvScript,
    install: (text) => installInitScript(init, text),
    isThere: initScriptExists,
    remove: () => removeInitScript(init),
    mended: async () => {},
  };
}

/**
 * Makes the next boot load the rules for boot; `again`: also where all that it takes seems to be there. What the last
 * boot said of itself is over with that. Returns what the admin should know.
 */
export async function keepBoot(paths: Paths, { again }: { again: boolean }): Promise<string[]> {
  const ports = sshPorts();
  const problems: string[] = [];
  const check = (result: SystemdResult): void => {
    if (result.kind === 'failed')
      problems.push(`what loads the rules at boot is not in order: ${result.reason}`);
  };
  try {
    const script = bootScriptFile(paths);
    keepFile(script, bootScript(paths, ports));
    const found = starter(paths);
    if (typeof found === 'string') {
      if (again) problems.push(`no unit was installed (${found}): at boot, run \`sh ${script}\``);
    } else {
      const wanted = found.text(paths, ports);
      if (again || !hasContents(found.file, wanted)) check(await found.install(wanted));
      if (readBootRecord(paths) !== undefined) await found.mended();
    }
    mendBanFile(paths);
    forgetBootRecord(paths);
  } catch (error) {
    // The rules are in force by now; that is not undone for the sake of the next boot.
    problems.push(`what loads the rules at boot could not be written: ${(error as Error).message}`);
  }
  return problems;
}

/** The next boot loads nothing of moat. */
export async function disableBoot(paths: Paths): Promise<string[]> {
  forgetBootRecord(paths);
  const found = starter(paths);
  // What starts it first: alone, it would close the machine at the next boot.
  const removed = typeof found === 'string' ? { kind: 'ok' as const } : await found.remove();
  if (removed.kind === 'ok') {
    forgetBootRules(paths);
    return [];
  }
  writeBootRules(paths, renderRemoval(TABLE));
  return [
    `what loads the rules at boot could not be removed: ${removed.reason}; at boot it will find no rules and do nothing`,
  ];
}

/** Whether the next boot loads the rules, as far as that can be told from the files. */
export function isBootKept(paths: Paths): boolean {
  const found = starter(paths);
  return typeof found === 'string' ? paths.root !== '' : found.isThere();
}
