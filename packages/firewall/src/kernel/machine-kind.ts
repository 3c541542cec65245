// What kind of machine this is, as far as firewalls have to know.
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { systemdRuns } from './own-network.ts';
import { run } from './process.ts';

/** The container that this is (`lxc`, `docker`, `podman`, …, or just `container`); undefined: none, or none that tells. */
export function containerKind(root = ''): string | undefined {
  const noted = readOr(`${root}/run/systemd/container`).trim();
  if (noted !== '') return noted;
  if (existsSync(`${root}/.dockerenv`)) return 'docker';
  if (existsSync(`${root}/run/.containerenv`)) return 'podman';
  const told = readOr(`${root}/proc/1/environ`)
    .split('\0')
    .find((each) => each.startsWith('container='));
  return told === undefined ? undefined : told.slice('container='.length) || 'container';
}

/** The backend of what is called `iptables` here; undefined: there is none, or it does not tell. */
export async function iptablesBackend(): Promise<'nft' | 'legacy' | undefined> {
  const ran = await run('iptables', ['--version'], { timeoutMs: 5000 });
  if (ran.kind === 'missing') return undefined;
  const [, backend] = /\((nf_tables|legacy)\)/.exec(ran.stdout) ?? [];
  return backend === 'nf_tables' ? 'nft' : backend === 'legacy' ? 'legacy' : undefined;
}

/** Whether the clock is held by time servers; undefined: nobody who could tell is there. */
export async function clockIsSynchronised(): Promise<boolean | undefined> {
  if (!systemdRuns()) return undefined;
  const args = ['show', '--property=NTPSynchronized', '--value'];
  const ran = await run('timedatectl', args, { timeoutMs: 5000 });
  if (ran.kind === 'missing' || ran.code !== 0) return undefined;
  const told = ran.stdout.trim();
  return told === 'yes' ? true : told === 'no' ? false : undefined;
}

/** Of these programs the ones that are in none of the folders of a PATH. */
export function missingPrograms(names: readonly string[], path: string): string[] {
  return names.filter((name) => !path.split(':').some((folder) => isProgram(`${folder}/${name}`)));
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
