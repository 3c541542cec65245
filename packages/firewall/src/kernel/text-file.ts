// Files that the admin names on the command line: read whole, or written for nobody else to read.
import { readFileSync, statSync } from 'node:fs';
import { writeFileAtomic } from './atomic-write.ts';
import type { Told } from './tool.ts';

const STDIN = 0;

/** The text of a file, or of stdin for `-`; why not, in words. */
export function readText(path: string): Told {
  try {
    return { ok: true, text: readFileSync(path === '-' ? STDIN : path, 'utf8') };
  } catch (error) {
    return { ok: false, why: reason(error as NodeJS.ErrnoException) };
  }
}

/** Replaces the file as a whole, mode 0600; why not, in words. A device or a folder is not replaced. */
export function writePrivateText(path: string, text: string): { readonly why: string } | undefined {
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isFile() === false)
      return { why: 'it is not a plain file' };
    writeFileAtomic(path, text);
    return undefined;
  } catch (error) {
    return { why: reason(error as NodeJS.ErrnoException) };
  }
}

/** Why a file could not be read or written, in words. */
export function reason({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOENT':
      return 'there is no such file or folder';
    case 'EACCES':
    case 'EPERM':
      return 'no permission';
    case 'EISDIR':
      return 'it is a folder';
    case 'ENOSPC':
      return 'the disk is full';
    default:
      return message;
  }
}
