import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { iptablesDisabled } from './docker-iptables.ts';
import { fakeProc } from './fake-proc.ts';

let remove = () => {};
afterEach(() => remove());
function dockerd(args: readonly string[], network = 'net:[1]') {
  const fake = fakeProc([{ pid: 7, name: 'dockerd', args: ['dockerd', ...args], network }]);
  remove = fake.remove;
  return { proc: fake.proc, config: join(fake.proc, 'daemon.json') };
}

test.each([
  [['--iptables=false'], true],
  [['-H', 'fd://', '--iptables=0'], true],
  [['--iptables=true'], false],
  [['--iptables'], false],
  [['--iptables=false', '--iptables=true'], false],
  [['--ip6tables=false'], false],
  [[], false],
])('dockerd %j', (args, disabled) => {
  expect(iptablesDisabled(dockerd(args))).toEqual(disabled ? { by: 'command line', pid: 7 } : undefined);
});

test('a dockerd of another network namespace does not count', () => {
  expect(iptablesDisabled(dockerd(['--iptables=false'], 'net:[2]'))).toBeUndefined();
});

test.each([
  ['{"iptables": false}', true],
  ['{"iptables": true}', false],
  ['{"ip6tables": false}', false],
  ['not json', false],
  ['null', false],
])('daemon.json %j', (text, disabled) => {
  const options = dockerd([]);
  writeFileSync(options.config, text);
  expect(iptablesDisabled(options)).toEqual(disabled ? { by: 'file', file: options.config } : undefined);
});

test.each(['one word', 'two words'])('the file that dockerd was given, in %s', (how) => {
  const { proc, config } = dockerd([]);
  const file = join(proc, 'other.json');
  writeFileSync(file, '{"iptables": false}');
  const flag = how === 'one word' ? [`--config-file=${file}`] : ['--config-file', file];
  writeFileSync(join(proc, '7/cmdline'), ['dockerd', ...flag, ''].join('\0'));
  expect(iptablesDisabled({ proc, config })).toEqual({ by: 'file', file });
});
