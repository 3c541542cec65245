// Who gave a command: the login that it belongs to, also behind sudo.
import { readFileSync } from 'node:fs';

export interface Who {
  /** The name of who logged in; of who runs the process where no login is known. */
  readonly user: string;
  /** The user id that the kernel noted at the login (proc(5), `loginuid`); undefined: there was none. */
  readonly loginUid?: number;
  /** `pts/0`, `tty1`; undefined: no terminal. */
  readonly tty?: string;
  /** The address that the session comes from. */
  readonly from?: string;
}

/** `from` is known by whoever has looked at the connections. */
export function whoRuns(from: string | undefined, proc = '/proc'): Who {
  const noted = Number(readOr(`${proc}/self/loginuid`, '4294967295').trim());
  // (uid_t) -1: started by no login, as by cron or in a container.
  const loginUid = noted === 4_294_967_295 || Number.isNaN(noted) ? undefined : noted;
  const sudo = process.env['SUDO_USER'];
  const uid = process.getuid?.() ?? 0;
  const user = loginUid === undefined ? (sudo ?? nameOf(uid)) : nameOf(loginUid);
  const tty = terminalName(readOr(`${proc}/self/stat`, ''));
  return {
    user,
    ...(loginUid === undefined ? {} : { loginUid }),
    ...(tty === undefined ? {} : { tty }),
    ...(from === undefined ? {} : { from }),
  };
}

/** The terminal in a line of /proc/PID/stat: field 7, `tty_nr` (proc(5)). */
export function terminalName(stat: string): string | undefined {
  // The name in parentheses may hold spaces and parentheses.
  return deviceName(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[4]));
}

/** `pts/0`, `tty1`, `ttyS0`, `hvc0`, or `MAJOR:MINOR` for others, by device number; undefined for 0. */
export function deviceName(device: number): string | undefined {
  if (!(device > 0)) return undefined;
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  // devices.txt of the kernel: 136 to 143 are the pseudo-terminals, 4 the consoles and, from 64 on, serial
  // lines, 229 the consoles of virtual machines.
  if (major >= 136 && major <= 143) return `pts/${(major - 136) * 256 + minor}`;
  if (major === 4) return minor < 64 ? `tty${minor}` : `ttyS${minor - 64}`;
  if (major === 229) return `hvc${minor}`;
  return `${major}:${minor}`;
}

function nameOf(uid: number): string {
  const line = readOr('/etc/passwd', '')
    .split('\n')
    .find((each) => each.split(':')[2] === String(uid));
  return line?.split(':')[0] ?? `uid ${uid}`;
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}
