// Services of the init system: which of them run, and which the next boot starts.
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { run } from './process.ts';
import { systemdRefusal } from './systemd.ts';

export interface ServiceState {
  /** A unit; a service without `.service`. */
  readonly name: string;
  /** The next boot starts it. */
  readonly atBoot: boolean;
  /** undefined: nobody who could tell is there. */
  readonly active: boolean | undefined;
}

/** systemd's word for them; where it does not run, the links and scripts that it and others would go by at boot. */
export async function serviceStates(names: readonly string[], root = ''): Promise<ServiceState[]> {
  const told = root === '' && systemdRefusal() === undefined ? await askSystemd(names) : undefined;
  return told ?? names.map((name) => ({ name, atBoot: isLinked(name, root), active: undefined }));
}

async function askSystemd(names: readonly string[]): Promise<ServiceState[] | undefined> {
  const units = names.map(unitName);
  const properties = '--property=Id,ActiveState,UnitFileState';
  const ran = await run('systemctl', ['show', properties, ...units], { timeoutMs: 10_000 });
  return ran.kind === 'finished' && ran.code === 0 ? parseUnits(ran.stdout, names) : undefined;
}

/** What `systemctl show` prints: a paragraph of NAME=VALUE for each unit, in the order asked. */
export function parseUnits(text: string, names: readonly string[]): ServiceState[] {
  const paragraphs = text.trim().split(/\n{2,}/);
  return names.map((name, i) => {
    const lines = paragraphs[i]?.split('\n') ?? [];
    const value = (key: string): string =>
      lines.find((line) => line.startsWith(`${key}=`))?.slice(key.length + 1) ?? '';
    return {
      name,
      // systemctl(1): for scripts of System V it tells `generated`, and these are there only when they are enabled.
      atBoot: ['enabled', 'enabled-runtime', 'generated'].includes(value('UnitFileState')),
      active: ['active', 'reloading', 'activating'].includes(value('ActiveState')),
    };
  });
}

/** systemd.unit(5) `WantedBy=`; update-rc.d(8); rc-update(8). */
function isLinked(name: string, root: string): boolean {
  const system = `${root}/etc/systemd/system`;
  if (isMasked(`${system}/${unitName(name)}`)) return false;
  const wanted = entries(system).some(
    (folder) => /\.(wants|requires)$/.test(folder) && entries(`${system}/${folder}`).includes(unitName(name)),
  );
  const started = entries(`${root}/etc`)
    .filter((folder) => /^rc[S2345]\.d$/.test(folder))
    .some((folder) =>
      entries(`${root}/etc/${folder}`).some((link) => /^S\d\d/.test(link) && link.slice(3) === name),
    );
  const level = entries(`${root}/etc/runlevels`).some((folder) =>
    existsSync(`${root}/etc/runlevels/${folder}/${name}`),
  );
  return wanted || started || level;
}

function unitName(name: string): string {
  return name.includes('.') ? name : `${name}.service`;
}

function isMasked(file: string): boolean {
  try {
    return readlinkSync(file) === '/dev/null';
  } catch {
    return false;
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
