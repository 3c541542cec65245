// moat's package: the release as npm packs it, and its installation in a booted Debian.
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandOutput } from './command.ts';
import type { Debian } from './debian.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LEFT_OUT = ['node_modules', 'dist', 'coverage'];

/** Installs the package as an admin does, `npm install -g`, with no network to fetch anything else from. */
export async function installMoat(debian: Debian): Promise<void> {
  const name = await packMoat(join(debian.root, 'root'));
  await debian.output('npm', [
    'install',
    '--global',
    '--offline',
    '--no-audit',
    '--no-fund',
    `/root/${name}`,
  ]);
}

/**
 * Runs `npm pack` for the firewall, which builds a release, and puts the tarball into a folder; gives the file's name.
 * In a copy: the development build, which is what everything else here runs, stays where it is.
 */
async function packMoat(folder: string): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'moat-package-'));
  try {
    for (const name of ['package.json', 'package-lock.json', 'packages', 'scripts']) {
      const filter = (source: string) => !LEFT_OUT.includes(basename(source));
      await cp(join(ROOT, name), join(copy, name), { recursive: true, filter });
    }
    await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    const words = ['pack', '--json', '--workspace', 'packages/firewall', '--pack-destination', folder];
    const said = await commandOutput('npm', words, { cwd: copy });
    // What the build says comes before npm's own answer.
    const [packed] = JSON.parse(said.slice(said.search(/^\[\s/m))) as { filename: string }[];
    return packed!.filename;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}
