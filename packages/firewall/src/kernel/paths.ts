// Where everything of moat lies on the disk, under one root.
import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** Absolute paths. All of them lie under `root`, which is '' on a machine that runs moat for itself. */
export interface Paths {
  readonly root: string;
  /** `/etc/moat`: what the admin writes. */
  readonly etc: string;
  /** `/etc/moat/policy`: the sentences. */
  readonly policy: string;
  /** `/var/lib/moat`: what has to outlive a reboot. */
  readonly state: string;
  /** `/run/moat`: what must not outlive a reboot. */
  readonly run: string;
  /** Locked by whoever changes the policy or the rules; never removed, since others may be waiting on it. */
  readonly lock: string;
  /** The text that was last handed to nft. */
  readonly sent: string;
}

/** Paths under a root: '' or '/' for the machine itself, else the folder given by `--root` or `MOAT_ROOT`. */
export function pathsUnder(root: string): Paths {
  const absolute = root === '' ? '' : resolve(root).replace(/^\/$/, '');
  const under = (path: string) => join('/', absolute, path);
  return {
    root: absolute,
    etc: under('etc/moat'),
    policy: under('etc/moat/policy'),
    state: under('var/lib/moat'),
    run: under('run/moat'),
    lock: under('run/moat/lock'),
    sent: under('run/moat/sent.nft'),
  };
}

/** Makes a folder of moat's, for its owner alone; those above it, where missing, as others are. */
export function makeFolder(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  mkdirSync(path, { recursive: true, mode: 0o700 });
}
