// Debian trial: `make` makes the tree, with the machine's network; `boot` tells whether one boots. Says why not; exit code 77 then.

import { installDebian } from './debian.ts';
import { makeTree } from './debian-tree.ts';
import { createNetwork } from './network.ts';

const TRIALS: Readonly<Record<string, () => Promise<void>>> = { make: makeTree, boot };

async function boot(): Promise<void> {
  const network = await createNetwork();
  try {
    const debian = await installDebian(network.server);
    await debian.start().finally(debian.destroy);
  } finally {
    await network.destroy();
  }
}

try {
  await TRIALS[process.argv[2] ?? '']!();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 77;
}
