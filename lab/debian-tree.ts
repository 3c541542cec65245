// Debian tree: the files of a small installed Debian with this machine's Node and npm, made once and kept.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, realpath, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandOutput } from './command.ts';

const CACHE = fileURLToPath(new URL('../.cache/', import.meta.url));

/** On top of Debian's required packages and apt. libpam-systemd gives logins sessions of systemd's. */
const PACKAGES = [
  'systemd',
  'systemd-sysv',
  'dbus',
  'libpam-systemd',
  'openssh-server',
  'nftables',
  'iproute2',
  'procps',
];

/** debootstrap's second half runs the packages' own scripts: away from the machine's network and processes. */
const APART = [
  ...['--net', '--mount', '--propagation', 'private', '--pid', '--fork', '--mount-proc'],
  ...['--ipc', '--uts'],
];

/** Where the tree is, or will be once it is made: this recipe, this Node, this Debian. */
export async function treeFolder(): Promise<string> {
  const node = await stat(process.execPath);
  const recipe = await readFile(fileURLToPath(import.meta.url), 'utf8');
  const ingredients = [recipe, process.version, node.size, node.mtimeMs, await ownRelease()];
  const key = createHash('sha256').update(JSON.stringify(ingredients)).digest('hex').slice(0, 12);
  return join(CACHE, `debian-${key}`);
}

/**
 * Makes the tree unless it is there, which takes about a minute, and removes those of older recipes. Needs root, the
 * machine's apt sources, and so the machine's own network; nothing in that network is changed.
 */
export async function makeTree(): Promise<void> {
  const folder = await treeFolder();
  if (existsSync(folder)) return;
  const { id, codename } = await ownRelease();
  const mirror = await ownMirror(id, codename);
  console.log(`Making a Debian tree (${codename}) for the system tests, once; it takes about a minute`);
  const work = `${folder}.${process.pid}.new`;
  const tree = join(work, 'tree');
  await mkdir(work, { recursive: true });
  try {
    const what = ['--variant=minbase', `--include=${PACKAGES.join(',')}`];
    const packages = join(work, 'packages.tar');
    // First only the downloads, then all that runs programs, where there is no network to be reached.
    await commandOutput('debootstrap', [
      ...what,
      `--make-tarball=${packages}`,
      codename,
      join(work, 'download'),
      mirror,
    ]);
    const install = ['debootstrap', ...what, `--unpack-tarball=${packages}`, codename, tree];
    await commandOutput('unshare', [...APART, ...install]);
    await putNode(tree);
    const older = (await readdir(CACHE)).filter((name) => /^debian-[0-9a-f]{12}$/.test(name));
    await Promise.all(older.map((name) => rm(join(CACHE, name), { recursive: true, force: true })));
    await rename(tree, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

type Release = { readonly id: string; readonly codename: string };

/** This machine's own release: its Node needs the libraries of no older one. */
async function ownRelease(): Promise<Release> {
  const text = await readFile('/etc/os-release', 'utf8');
  const value = (name: string): string => new RegExp(`^${name}="?([^"\n]*)`, 'm').exec(text)?.[1] ?? '';
  const release = { id: value('ID'), codename: value('VERSION_CODENAME') };
  if (release.codename === '')
    throw new Error('expected a Debian or Ubuntu with VERSION_CODENAME in /etc/os-release');
  return release;
}

/** The mirror from which this machine's apt takes its own release. */
async function ownMirror(id: string, codename: string): Promise<string> {
  const format = '$(RELEASE) $(COMPONENT) $(ORIGIN) $(REPO_URI)';
  const text = await commandOutput('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  const fitting = text
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([release, component]) => release === codename && component === 'main');
  // Others use the release's name as well; before the first update apt does not know who is who.
  const found = fitting.find(([, , origin]) => origin?.toLowerCase() === id) ?? fitting[0];
  const uri = found?.[3] ?? '';
  const list = /^mirror\+file:(.*?)\/?$/.exec(uri)?.[1];
  const mirror = list === undefined ? uri : ((await readFile(list, 'utf8')).split(/\s/).find(Boolean) ?? '');
  if (!/^[a-z]+:/.test(mirror))
    throw new Error(`expected a mirror for ${codename} main in apt's sources, found '${mirror}'`);
  return mirror;
}

/** This machine's Node, the libraries that it needs and the tree lacks, and npm, which installs into /usr by default. */
async function putNode(tree: string): Promise<void> {
  const node = await realpath(process.execPath);
  const libraries = (await commandOutput('ldd', [node])).matchAll(/(?:=> )?(\/\S+) \(0x/g);
  for (const [, library] of libraries) {
    if (!existsSync(join(tree, library!))) await cp(await realpath(library!), join(tree, library!));
  }
  await cp(node, join(tree, 'usr/bin/node'));
  await cp(await ownNpm(node), join(tree, 'usr/lib/node_modules/npm'), { recursive: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(tree, 'usr/bin/npm'));
  await commandOutput('chroot', [tree, '/usr/bin/npm', '--version'], { env: { HOME: '/nonexistent' } });
}

async function ownNpm(node: string): Promise<string> {
  const running = process.env['npm_execpath'];
  const folders = [
    join(dirname(node), '../lib/node_modules/npm'),
    ...(running === undefined ? [] : [dirname(dirname(await realpath(running)))]),
  ];
  const found = folders.find((folder) => existsSync(join(folder, 'bin/npm-cli.js')));
  if (found === undefined) throw new Error(`expected npm in ${folders.join(' or ')}`);
  return found;
}
