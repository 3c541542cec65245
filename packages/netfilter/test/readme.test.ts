// The README's examples, word for word, print what the README says; and the package needs nothing of Node.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const README = readFileSync(join(PACKAGE, 'README.md'), 'utf8');
const EXAMPLES = [...README.matchAll(/## (.*?)\n[^#]*?```ts\n(.*?)```\n\n```\n(.*?)```/gs)].map(
  ([, title, code, output]) => ({ title: title!, code: code!, output: output! }),
);

test('there are three examples', () => {
  expect(EXAMPLES.map(({ title }) => title)).toEqual([
    'Read a dump',
    'Ask who can reach a port',
    'Compare two rulesets',
  ]);
});

describe.each(EXAMPLES)('$title', ({ code, output }) => {
  test('prints what the README says', () => {
    // In the package's own folder, so that its name is found as a user finds it.
    const folder = mkdtempSync(join(PACKAGE, 'test/example-'));
    try {
      const file = join(folder, 'example.ts');
      writeFileSync(file, code);
      expect(execFileSync(process.execPath, ['--import', 'tsx', file], { encoding: 'utf8' })).toBe(output);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test('it bundles for a browser without any module of Node, and works where there is nothing of Node', async () => {
  const { outputFiles, metafile, warnings } = await build({
    stdin: {
      contents: `import { readIptablesSave, whoCanReach } from './src/index.ts';
        const { ruleset } = readIptablesSave('*filter\\n:INPUT DROP [0:0]\\n-A INPUT -p tcp --dport 80 -j ACCEPT\\nCOMMIT\\n');
        globalThis.answer = [80, 81].map((port) => whoCanReach(ruleset, { family: 'ipv4', protocol: 'tcp', port }).length).join();`,
      resolveDir: PACKAGE,
      loader: 'ts',
    },
    bundle: true,
    platform: 'browser',
    format: 'iife',
    write: false,
    metafile: true,
  });
  expect(warnings).toEqual([]);
  const inputs = Object.values(metafile.inputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  expect(inputs.filter((path) => path.startsWith('node:'))).toEqual([]);
  const page: { answer?: string } = {};
  runInNewContext(outputFiles[0]!.text, page);
  expect(page.answer).toBe('1,0');
});
