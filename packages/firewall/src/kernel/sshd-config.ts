// The ports that sshd is told to listen on, whether it runs or not.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** The depth to which sshd itself follows `Include`. */
const DEEPEST = 16;

/**
 * `Port` and the ports of `ListenAddress` (sshd_config(5)), with the files that they include; 22 if nothing says another
 * one. undefined: there is no such file.
 */
export function configuredSshPorts(file = '/etc/ssh/sshd_config'): number[] | undefined {
  const lines = linesOf(file, 0);
  if (lines === undefined) return undefined;
  const words = lines.map((line) => line.trim().split(/[\s=]+/));
  const ports = words.filter(([key]) => key?.toLowerCase() === 'port').map(([, port]) => Number(port));
  const listened = words
    .filter(([key]) => key?.toLowerCase() === 'listenaddress')
    // ADDRESS:PORT, [ADDRESS]:PORT; an IPv6 address alone has more colons.
    .map(([, address = '']) => /^(?:\[.*\]|[^:]*):(\d+)$/.exec(address)?.[1]);
  const everywhere = ports.length > 0 ? ports : [22];
  const bare = listened.length === 0 || listened.includes(undefined);
  const all = [
    ...(bare ? everywhere : []),
    ...listened.flatMap((port) => (port === undefined ? [] : [Number(port)])),
  ];
  return [...new Set(all)].filter((port) => port > 0 && port < 65_536);
}

/** Without remarks, and without `Match` blocks, where ports may not stand. */
function linesOf(file: string, depth: number): string[] | undefined {
  const text = readOr(file);
  if (text === undefined || depth > DEEPEST) return undefined;
  const lines: string[] = [];
  for (const line of text.split('\n').map((each) => each.replace(/#.*/, ''))) {
    if (/^\s*match\b/i.test(line)) break;
    const [, patterns] = /^\s*include[\s=]+(.*)$/i.exec(line) ?? [];
    if (patterns === undefined) lines.push(line);
    else for (const each of patterns.trim().split(/\s+/)) lines.push(...included(each, depth + 1));
  }
  return lines;
}

/** glob(7) in the last part of the path, as the files of distributions have it; paths that are relative are under /etc/ssh. */
function included(pattern: string, depth: number): string[] {
  const path = pattern.startsWith('/') ? pattern : join('/etc/ssh', pattern);
  const name = basename(path);
  if (!/[*?]/.test(name)) return linesOf(path, depth) ?? [];
  const escaped = name.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  const regexp = new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
  try {
    return readdirSync(dirname(path))
      .filter((entry) => regexp.test(entry) && !entry.startsWith('.'))
      .sort()
      .flatMap((entry) => linesOf(join(dirname(path), entry), depth) ?? []);
  } catch {
    return [];
  }
}

function readOr(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
