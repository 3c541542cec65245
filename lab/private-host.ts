// PrivateHost: one machine with a network, an /etc, a /var/lib and a /run of its own; everything ends with it.
import { dirname } from 'node:path';
import { type CommandOptions, type CommandResult, runCommand } from './command.ts';
import { assertPrivateNetwork } from './guard.ts';
import { HOLD, startHolder } from './holder.ts';
import { type Machine, machineAt } from './machine.ts';
import { MOAT_PROGRAM } from './moat.ts';

/** What is written to its /etc, /var/lib, /run and /usr/local/sbin nobody else sees. */
export type PrivateHost = {
  /** Its network alone, for what brings its own files. */
  readonly machine: Machine;
  /** Runs a program among its files; any exit code is a result. */
  run(command: string, args?: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Runs a shell script that has to succeed and gives what it printed. */
  sh(script: string): Promise<string>;
  /** The command that `moat` stands for. */
  readonly moatCommand: readonly string[];
  moat(...words: string[]): Promise<CommandResult>;
  /** Writes a file, with the folders above it. */
  put(file: string, text: string, mode?: string): Promise<void>;
  destroy(): Promise<void>;
};

const V4 = '203.0.113.130';
const V6 = '2001:db8:5::10';

/** What is written goes to memory, as in the namespaces that `npm test` makes. */
const PREPARE = `
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/lock /run/sshd
for dir in /etc /var/lib; do
  over=/run/.over$dir
  mkdir -p "$over/upper" "$over/work"
  mount -t overlay -o "lowerdir=$dir,upperdir=$over/upper,workdir=$over/work" overlay "$dir"
done
mount -t tmpfs -o mode=755 tmpfs /usr/local/sbin
ip link set lo up
ip link add eth0 type veth peer name far
ip address add ${V4}/25 dev eth0
ip address add ${V6}/64 dev eth0 nodad
ip link set eth0 up
ip link set far up
${HOLD}
`;

/** Needs real root. */
export async function startPrivateHost(): Promise<PrivateHost> {
  assertPrivateNetwork();
  const here = machineAt('here', '/proc/self/ns/net', { v4: '', v6: '' }, 'lo');
  const own = ['--net', '--mount', '--propagation', 'private'];
  const holder = await startHolder(
    here,
    [...own, 'sh', '-ec', PREPARE],
    "the host's private files cannot be mounted",
  );
  const { pid } = holder;
  const run: PrivateHost['run'] = (command, args = [], options = {}) =>
    runCommand('nsenter', [`--net=/proc/${pid}/ns/net`, `--mount=/proc/${pid}/ns/mnt`, command, ...args], {
      ...options,
      // No moat and no engine of others.
      env: { MOAT_ROOT: '', DOCKER_HOST: 'unix:///run/no-docker.sock', ...options.env },
    });
  const sh = async (script: string, options: CommandOptions = {}): Promise<string> => {
    const { code, stdout, stderr } = await run('sh', ['-ec', script], options);
    if (code !== 0) throw new Error(`${script}: exit code ${code}\n${stdout}${stderr}`);
    return stdout;
  };
  return {
    machine: machineAt('host', `/proc/${pid}/ns/net`, { v4: V4, v6: V6 }, 'eth0'),
    run,
    sh: (script) => sh(script),
    moatCommand: [process.execPath, MOAT_PROGRAM],
    moat: (...words) => run(process.execPath, [MOAT_PROGRAM, ...words]),
    put: async (file, text, mode = '644') => {
      await sh(`mkdir -p ${dirname(file)}; cat >${file}; chmod ${mode} ${file}`, { input: text });
    },
    destroy: () => holder.end(),
  };
}
