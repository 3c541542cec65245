// TAB after words of moat, pressed in a real bash. Beside the tests of the kernel because it runs the built command.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commandOutput, runCommand } from '../../lab/command.ts';
import { MOAT_PROGRAM } from '../../lab/moat.ts';

let root: string;
let env: Record<string, string>;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'moat-completion-'));
  env = {
    MOAT_ROOT: root,
    PATH: [dirname(MOAT_PROGRAM), process.env['PATH']].join(delimiter),
    TERM: 'dumb',
  };
  await mkdir(join(root, 'etc/moat'), { recursive: true });
  await writeFile(join(root, 'etc/moat/policy'), 'group office 198.51.100.7\nallow from office\n');
});

afterAll(() => rm(root, { recursive: true, force: true }));

const moat = (...words: string[]) => commandOutput(MOAT_PROGRAM, words, { env });
const fitting = async (...line: string[]) =>
  (await moat('complete', '--', ...line)).split('\n').filter((word) => word !== '');

/** What stands in the lines after they were typed at a prompt, each ended by showing it. */
async function typed(...lines: string[]): Promise<string[]> {
  const show = '\x01echo \n';
  const input = `source <(moat completion bash)\n${lines.map((line) => line + show).join('')}`;
  const said = await runCommand('bash', ['--norc', '--noprofile', '-i'], { env, input, timeoutMs: 60_000 });
  return said.stdout.trimEnd().split('\n');
}

test('TAB in bash completes verbs, options, words of sentences, names and files', async () => {
  const lines: [string, string][] = [
    ['moat hist\t', 'moat history'],
    ['moat --dry\tallow fro\toff\tpro\tig\t', 'moat --dry-run allow from office proto igmp'],
    ['moat show liste\t', 'moat show listening'],
    ['moat doctor --qu\t', 'moat doctor --quick'],
    // bash makes words of their own out of `=` and `:`.
    ['moat --confirm=0 insert 1 rej\t', 'moat --confirm=0 insert 1 reject'],
    ['moat allow from 2001:db8::7 to an\t', 'moat allow from 2001:db8::7 to any'],
    [`moat --root ${root}/et\t`, `moat --root ${root}/etc/`],
    ['moat diff 1 /etc/hostn\t', 'moat diff 1 /etc/hostname'],
    // As bash does it without this: the word stays.
    ['moat allow 22 comment xyzz\t', 'moat allow 22 comment xyzz'],
  ];
  expect(await typed(...lines.map(([keys]) => keys))).toEqual(lines.map(([, line]) => line));
});

test('the words of a sentence by what stands before them', async () => {
  expect(await fitting('allow', 'from', '')).toEqual(['any', 'office']);
  expect(await fitting('allow', 'in', 'on', 'l')).toEqual(['lo']);
  expect(await fitting('deny', 'to', 'any', 'port', 'postgresq')).toEqual(['postgresql']);
  expect(await fitting('default', '')).toEqual(['allow', 'deny', 'reject']);
  expect(await fitting('default', 'deny', 'ro')).toEqual(['routed']);
  expect(await fitting('expect', 'route', 'al')).toEqual(['allow']);
  expect(await fitting('delete', 'limit', '2')).toEqual([]);
  expect(await fitting('logging', 'o')).toEqual(['off', 'on']);
  expect(await fitting('allow', '22', 'un')).toEqual(['until']);
});

test('what is offered is what help lists', async () => {
  const help = await moat('help');
  const verbs = await fitting('');
  expect(
    help.slice(help.indexOf('\nCommands:'), help.indexOf('\nExamples:')).match(/(?<=^ {2})[a-z-]+/gm),
  ).toEqual(verbs);
  expect(await fitting('help', '')).toEqual(verbs);
  expect(await fitting('--')).toEqual(
    [...help.slice(0, help.indexOf('\nCommands:')).matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(
      ([, name]) => name,
    ),
  );
  expect(await fitting('allow', '--', '--')).toEqual([]);
  expect(await fitting('status', '--confirm', '')).toEqual([]);
});

test('a policy with a mistake, and none, offer no groups and say nothing', async () => {
  const line = ['complete', '--root', join(root, 'nowhere'), '--', 'allow', 'from', ''];
  expect(await moat(...line)).toBe('any\n');
  await writeFile(join(root, 'etc/moat/policy'), 'group office 198.51.100.7\nnonsense\n');
  expect(await fitting('allow', 'from', '')).toEqual(['any']);
});

test('another shell is refused with those that there are', async () => {
  const { code, stderr } = await runCommand(MOAT_PROGRAM, ['completion', 'tcsh'], { env });
  expect(code).toBe(2);
  expect(stderr).toContain('expected: one of bash');
});
