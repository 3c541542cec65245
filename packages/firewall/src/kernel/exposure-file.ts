// What could be reached when the daemon last looked: kept for the one that is started after it, in the same boot.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from './atomic-write.ts';
import { makeFolder, type Paths } from './paths.ts';

function exposureFile(paths: Paths): string {
  return join(paths.run, 'exposures.json');
}

/** What `writeExposures` wrote; undefined: nothing, or nothing that can be read. */
export function readExposures(paths: Paths): unknown {
  try {
    return JSON.parse(readFileSync(exposureFile(paths), 'utf8'));
  } catch {
    return undefined;
  }
}

export function writeExposures(paths: Paths, exposures: object): void {
  makeFolder(paths.run);
  writeFileAtomic(exposureFile(paths), JSON.stringify(exposures));
}
