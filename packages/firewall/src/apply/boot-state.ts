// What the next boot starts for moat: is it there, in use, and as this version writes it?
import type { Paths } from '../kernel/paths.ts';
import { serviceStates } from '../kernel/services.ts';
import { sshPorts } from '../kernel/ssh-ports.ts';
import { bootScriptFile } from '../kernel/state.ts';
import { readText } from '../kernel/text-file.ts';
import { starter } from './boot.ts';
import { BOOT_UNIT } from './boot-unit.ts';

export type BootUnitState =
  | { readonly kind: 'in order' }
  /** `file`: where it should be. */
  | { readonly kind: 'missing' | 'not enabled' | 'edited'; readonly file: string }
  /** No init system of this machine was told: the script is for whoever keeps its boot, or for nobody. */
  | { readonly kind: 'not started'; readonly script: string; readonly there: boolean };

export async function bootUnitState(paths: Paths): Promise<BootUnitState> {
  const found = starter(paths);
  if (typeof found === 'string') {
    const script = bootScriptFile(paths);
    return { kind: 'not started', script, there: readText(script).ok };
  }
  const { file } = found;
  const text = readText(file);
  if (!text.ok) return { kind: 'missing', file };
  const [state] = await serviceStates([BOOT_UNIT.replace(/\.service$/, '')]);
  if (state?.atBoot !== true) return { kind: 'not enabled', file };
  return isSameUnit(text.text, (ports) => found.text(paths, ports), sshPorts())
    ? { kind: 'in order' }
    : { kind: 'edited', file };
}

/**
 * The ports of the emergency rules are those of the day when it was written: more than there are now do no harm.
 * `unit`: what is written for ports.
 */
export function isSameUnit(
  found: string,
  unit: (ports: readonly number[]) => string,
  ports: readonly number[],
): boolean {
  const lists = [...found.matchAll(/\btcp dport \{ ([\d, ]+) \}/g)].map(([, list = '']) => list);
  const open = [...new Set(lists.flatMap((list) => list.split(', ').map(Number)))];
  return found === unit(open) && ports.every((port) => open.includes(port));
}
