// The ports of sshd_config(5): Port, ListenAddress, Include, Match.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { configuredSshPorts } from './sshd-config.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moat-sshd-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function ports(text: string): number[] | undefined {
  writeFileSync(join(folder, 'sshd_config'), text.replaceAll('FOLDER', folder));
  return configuredSshPorts(join(folder, 'sshd_config'));
}

test.each<[string, number[]]>([
  ['', [22]],
  ['#Port 2222\n', [22]],
  ['Port 2222\nport=2200 # the other\n', [2222, 2200]],
  ['Port 2222\nListenAddress 192.0.2.1\nListenAddress [2001:db8::1]:2300\n', [2222, 2300]],
  ['ListenAddress 192.0.2.1:2400\n', [2400]],
  ['ListenAddress 2001:db8::1\n', [22]],
  ['Port 2222\nMatch User x\nPort 99\n', [2222]],
])('%j', (text, expected) => {
  expect(ports(text)).toEqual(expected);
});

test('what is included counts, a file of another ending does not, and one that includes itself ends', () => {
  writeFileSync(join(folder, 'a.conf'), 'Port 2201\n');
  writeFileSync(join(folder, 'b.conf.off'), 'Port 2202\n');
  expect(ports('Include FOLDER/*.conf\nPort 22\n')).toEqual([2201, 22]);
  expect(ports('Include FOLDER/sshd_config\nPort 2203\n')).toEqual([2203]);
  expect(configuredSshPorts(join(folder, 'none'))).toBeUndefined();
});
