// Kernel tests change rules and addresses; they refuse to start anywhere but in a network of their own.
import { readlinkSync, statSync } from 'node:fs';

/** Throws unless this process has left the network namespace of PID 1. Call it at the top of the file. */
export function requirePrivateNetwork(): void {
  let same: boolean;
  try {
    same = readlinkSync('/proc/self/ns/net') === readlinkSync('/proc/1/ns/net');
  } catch {
    // Not readable for everybody. The files under /proc/PID/net are, and each namespace has inodes of its own.
    same = statSync('/proc/self/net/dev').ino === statSync('/proc/1/net/dev').ino;
  }
  if (same)
    throw new Error('run this in a network namespace: unshare -Urn -m --propagation private npx vitest …');
}
