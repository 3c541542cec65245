// The machine's names for ports.
import { readFileSync } from 'node:fs';

/** `/etc/services`, or nothing on a machine without it (Debian's netbase is not essential). */
export function readServicesText(path = '/etc/services'): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
