// Replacing a file so that a reader, a crash or a full disk finds the old one or the new one, never a torn one.
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** New contents that lie on the disk beside the file and are not in force yet. */
export interface StagedFile {
  /** Where the new contents will be: the file itself, symbolic links resolved. */
  readonly path: string;
  /** Puts the new contents in the file's place; when it returns, they survive a power cut. */
  commit(): void;
  /** Removes the new contents; the file stays as it was. */
  abandon(): void;
}

/**
 * Writes and syncs `contents` beside the file. The name beside it is always the same, so what a dead run left
 * there is replaced; two writers of one file must hold the lock. The file's owner stays. Throws the system's
 * error (ENOSPC, EACCES, EROFS, …) with nothing changed and nothing left behind.
 */
export function stageFile(path: string, contents: string | Uint8Array, mode = 0o600): StagedFile {
  const target = linkTarget(path);
  const folder = dirname(target);
  const temporary = join(folder, `.${basename(target)}.new`);
  const abandon = () => rmSync(temporary, { force: true });
  abandon();
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const fd = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    try {
      const owner = statSync(target, { throwIfNoEntry: false });
      if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
      // After the change of owner, and by descriptor: neither the umask nor chown may alter the mode.
      fchmodSync(fd, mode);
      writeFileSync(fd, contents);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    abandon();
    throw error;
  }
  return {
    path: target,
    commit() {
      renameSync(temporary, target);
      syncFolder(folder);
    },
    abandon,
  };
}

/** `stageFile` and `commit` in one. */
export function writeFileAtomic(path: string, contents: string | Uint8Array, mode = 0o600): void {
  stageFile(path, contents, mode).commit();
}

/** `writeFileAtomic`, unless the file says that already. */
export function keepFile(path: string, contents: string): void {
  if (!hasContents(path, contents)) writeFileAtomic(path, contents);
}

/** Whether the file can be read and says this. */
export function hasContents(path: string, contents: string): boolean {
  try {
    return readFileSync(path, 'utf8') === contents;
  } catch {
    return false;
  }
}

/** The file behind symbolic links, also when that file does not exist yet. */
function linkTarget(path: string): string {
  let current = resolve(path);
  // As many links as the kernel follows (path_resolution(7)); a longer chain fails at the open.
  for (let links = 0; links < 40; links++) {
    const folder = realpathSync(dirname(current));
    current = join(folder, basename(current));
    try {
      current = resolve(folder, readlinkSync(current));
    } catch {
      return current;
    }
  }
  throw Object.assign(new Error(`ELOOP: too many symbolic links: ${path}`), { code: 'ELOOP', path });
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
