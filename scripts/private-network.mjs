// Private network: how to run a command where the machine's own firewall, /run and /etc cannot be touched.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { basename } from 'node:path';
import { systemPath } from './debian.mjs';

/**
 * The preparation inside the new namespaces. /run is empty and private: `ip netns` and locks work, and neither the
 * machine's Docker nor its systemd can be talked to by mistake. /etc and /var/lib keep their contents, but what is
 * written there goes to memory and is gone at the end (where the kernel offers overlayfs; an ordinary user cannot
 * write to the machine's own anyway).
 */
const PREPARE = `
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/lock /run/sshd
for dir in /etc /var/lib; do
  over=/run/.over$dir
  mkdir -p "$over/upper" "$over/work"
  mount -t overlay -o "lowerdir=$dir,upperdir=$over/upper,workdir=$over/work" overlay "$dir" 2>/dev/null || true
done
ip link set lo up
exec "$@"
`;

const ROOT = ['--net', '--mount', '--propagation', 'private'];
const USER = ['--user', '--map-root-user', '--net', '--mount', '--propagation', 'private'];

/**
 * Tries which kind of private network this machine gives to this user.
 * @returns {{kind: 'root' | 'user', flags: string[]} | {kind: 'none', reason: string, remedy: string}}
 */
export function privateNetwork() {
  const kind = process.getuid?.() === 0 ? 'root' : 'user';
  const flags = kind === 'root' ? ROOT : USER;
  const trial = spawnSync('unshare', [...flags, 'sh', '-ec', 'mount -t tmpfs tmpfs /run'], {
    encoding: 'utf8',
  });
  if (trial.status === 0) return { kind, flags };
  const reason = trial.error ? trial.error.message : trial.stderr.trim();
  if (kind === 'root') {
    return {
      kind: 'none',
      reason,
      remedy: 'root needs CAP_SYS_ADMIN here; in a container, start it with --privileged',
    };
  }
  return {
    kind: 'none',
    reason,
    remedy: `this machine does not let ordinary users make network namespaces; run it as root:\n  sudo env "PATH=$PATH" npm ${npmCommand()}`,
  };
}

/** What follows `npm` to run this script again: `start -- shell`. */
function npmCommand() {
  const words = process.argv.slice(2);
  return [basename(process.argv[1], '.mjs'), ...(words.length === 0 ? [] : ['--', ...words])].join(' ');
}

/**
 * The words before the arguments of a command that is to run inside. It becomes the command itself, in the same process.
 * @param {{flags: string[]}} network what privateNetwork() gave
 * @param {string} command
 */
export function insideWords(network, command) {
  return { command: 'unshare', args: [...network.flags, 'sh', '-ec', PREPARE, 'sh', command] };
}

/**
 * What such a command may know: all programs of the system, and no engine outside.
 * @param {NodeJS.ProcessEnv} env
 */
export function insideEnvironment(env) {
  const { DOCKER_HOST: _host, DOCKER_CONTEXT: _context, ...rest } = env;
  return { ...rest, PATH: systemPath() };
}

/**
 * Runs a command inside a private network; everything in there ends with it.
 * @param {{flags: string[]}} network what privateNetwork() gave
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<number>} its exit code (128 + n if signal n ended it)
 */
export function runInside(network, command, args, env = process.env) {
  const inside = insideWords(network, command);
  return runHere(inside.command, [...inside.args, ...args], insideEnvironment(env));
}

/**
 * Runs a command where this process is.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 * @param {string} [printed] a file for what it prints; else it prints where this process does
 * @returns {Promise<number>} its exit code (128 + n if signal n ended it)
 */
export function runHere(command, args, env = process.env, printed = undefined) {
  const file = printed === undefined ? undefined : openSync(printed, 'a', 0o600);
  const child = spawn(command, args, { stdio: file === undefined ? 'inherit' : ['ignore', file, file], env });
  if (file !== undefined) closeSync(file);
  // The terminal sends ^C to the child as well; this process waits for it to clean up.
  const ignore = () => {};
  process.on('SIGINT', ignore);
  const pass = () => child.kill('SIGTERM');
  process.on('SIGTERM', pass);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      process.off('SIGINT', ignore);
      process.off('SIGTERM', pass);
      resolve(code ?? (signal === 'SIGINT' ? 130 : 143));
    });
  });
}
