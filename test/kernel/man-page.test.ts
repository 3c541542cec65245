// The man page as npm installs it: man takes it without a warning, and all is in it that the command has.
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commandOutput, runCommand } from '../../lab/command.ts';
import { MOAT_PROGRAM } from '../../lab/moat.ts';
import { ExitCode } from '../../packages/firewall/src/cli/exit-code.ts';
import { POLICY_EXAMPLE } from '../../packages/firewall/src/cli/man-page.ts';
import { pathsUnder } from '../../packages/firewall/src/kernel/paths.ts';
import { parsePolicyFile } from '../../packages/firewall/src/policy/file.ts';
import { parseServices } from '../../packages/firewall/src/policy/services.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let folder: string;
let page: string;
/** As it is read in a terminal. */
let shown: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moat-man-'));
  const prefix = join(folder, 'prefix');
  const env = { HOME: folder, npm_config_cache: join(folder, 'cache') };
  await mkdir(prefix);
  // What `npm test` has built, and not a release.
  const pack = ['pack', '--silent', '--ignore-scripts', '--workspace', 'packages/firewall'];
  const name = await commandOutput('npm', [...pack, '--pack-destination', folder], { cwd: ROOT, env });
  const install = ['install', '--global', '--offline', '--no-audit', '--no-fund', '--prefix', prefix];
  await commandOutput('npm', [...install, join(folder, name.trim())], { env });
  page = join(prefix, 'share/man/man8/moat.8');
  const reader = { env: { LC_ALL: 'C', MANWIDTH: '100', MAN_KEEP_FORMATTING: undefined } };
  const said = await runCommand('man', ['--warnings', '--local-file', page], reader);
  expect(said).toMatchObject({ code: 0, stderr: '' });
  // Without the overstriking that makes bold.
  shown = (await commandOutput('col', ['-bx'], { input: said.stdout })).replace(/[ \t]+/g, ' ');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test('roff has nothing to complain about, and whatis finds its name', async () => {
  const words = ['-ww', '-man', '-Tascii', '-z', page];
  expect(await runCommand('groff', words)).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(await commandOutput('lexgrog', [page])).toContain('"moat - a host firewall');
});

test('it is what the command makes', async () => {
  expect(await readFile(page, 'utf8')).toBe(await commandOutput(MOAT_PROGRAM, ['man-page']));
});

test('every verb, option, exit code and folder is in it', async () => {
  const complete = async (...line: string[]) =>
    (await commandOutput(MOAT_PROGRAM, ['complete', '--', ...line])).trimEnd().split('\n');
  const verbs = await complete('');
  expect(verbs.length).toBeGreaterThan(30);
  const part = (from: string, to: string) =>
    shown.slice(shown.indexOf(`\n${from}\n`), shown.indexOf(`\n${to}\n`));
  for (const verb of verbs)
    expect(part('VERBS', 'SENTENCES')).toMatch(new RegExp(`^ ${verb}( [a-z]|$)`, 'm'));
  for (const option of await complete('explain', '--'))
    expect(shown).toMatch(new RegExp(`^ .*${option}( |$)`, 'm'));
  const status = part('EXIT STATUS', 'ENVIRONMENT');
  for (const code of Object.values(ExitCode)) expect(status).toMatch(new RegExp(`^ ${code} \\w+`, 'm'));
  const { policy, state, run } = pathsUnder('');
  for (const path of [policy, state, run]) expect(part('FILES', 'EXAMPLES')).toContain(` ${path}\n`);
});

test('the policy that it shows is one', () => {
  for (const line of POLICY_EXAMPLE.split('\n')) expect(shown).toContain(line.replace(/ +/g, ' '));
  expect(parsePolicyFile(POLICY_EXAMPLE, parseServices(''))).toMatchObject({
    ok: true,
    file: { warnings: [] },
  });
});
