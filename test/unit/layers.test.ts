// The layer check finds what it is for: every rule is broken in a small tree, and has to be named.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'layers-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const SOUND = {
  'packages/netfilter/package.json':
    '{"name":"@moat/netfilter","type":"module","exports":{".":"./src/index.ts"}}',
  'packages/netfilter/src/index.ts': "export * from './net/a.ts';\nexport * from './model/a.ts';",
  'packages/netfilter/src/net/a.ts': 'export const net = 1;',
  'packages/netfilter/src/model/a.ts': "import { net } from '../net/a.ts';\nexport const model = net;",
  'packages/firewall/package.json': '{"name":"@moat/firewall","type":"module"}',
  'packages/firewall/src/policy/a.ts':
    "import { model } from '@moat/netfilter';\nexport const policy = model;",
  'packages/firewall/src/kernel/a.ts':
    "import { readFileSync } from 'node:fs';\nexport const kernel = readFileSync;",
  'packages/firewall/src/apply/a.ts':
    "import { kernel } from '../kernel/a.ts';\nimport { policy } from '../policy/a.ts';\nexport const apply = [kernel, policy];",
  'packages/firewall/src/report/a.ts':
    "import type { kernel } from '../kernel/a.ts';\nexport type Report = typeof kernel;",
  'packages/firewall/src/cli/main.ts': "import { apply } from '../apply/a.ts';\nconsole.log(apply);",
};

function check(changes: Readonly<Record<string, string>> = {}) {
  for (const [file, text] of Object.entries({ ...SOUND, ...changes })) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  mkdirSync(join(root, 'node_modules/@moat'), { recursive: true });
  symlinkSync('../../packages/netfilter', join(root, 'node_modules/@moat/netfilter'));
  const done = spawnSync(process.execPath, ['scripts/layers.mjs', root], { encoding: 'utf8' });
  return { code: done.status, said: done.stdout + done.stderr };
}

test('a sound tree passes, and every module was seen', () => {
  expect(check()).toEqual({ code: 0, said: 'layers: 8 modules, 9 imports, 0 problems\n' });
});

/** A file, what stands in it, and the rule that this breaks. */
const BROKEN = [
  ['netfilter/src/net/b.ts', "export * from '../model/a.ts';", 'netfilter/net: imports only itself'],
  ['netfilter/src/net/c.ts', "import './c.ts';", 'no cycles'],
  ['netfilter/src/model/b.ts', "import 'node:path';", 'netfilter: is pure, no Node built-ins'],
  ['netfilter/src/model/c.ts', "import '../../../firewall/src/kernel/a.ts';", 'netfilter: knows nothing'],
  ['firewall/src/policy/b.ts', "import '../kernel/a.ts';", 'firewall/policy: imports only itself, netfilter'],
  [
    'firewall/src/policy/c.ts',
    "import 'node:path';",
    'firewall: policy, compile, meaning and proof are pure',
  ],
  ['firewall/src/compile/b.ts', "import '../apply/a.ts';", 'firewall/compile: imports only itself, policy'],
  ['firewall/src/meaning/b.ts', "import '../compile/b.ts';", 'firewall/meaning: imports only itself, policy'],
  ['firewall/src/kernel/b.ts', "import '../policy/a.ts';", 'firewall/kernel: imports only itself, netfilter'],
  ['firewall/src/apply/b.ts', "import 'node:child_process';", 'firewall: only kernel touches the machine'],
  ['firewall/src/apply/c.ts', "import '../cli/main.ts';", 'firewall/apply: imports only itself'],
  ['firewall/src/report/b.ts', "import { kernel } from '../kernel/a.ts';", 'takes only types from kernel'],
  ['firewall/src/attic/b.ts', "import '../policy/a.ts';", 'every room has its rule'],
  ['firewall/src/cli/b.ts', "import { stat } from 'node:fs/promises';", 'firewall: only kernel touches'],
  ['firewall/src/cli/c.ts', "import './gone.ts';", 'every import is found'],
] as const;

test('each broken rule is named, with the file that breaks it', () => {
  const { code, said } = check(Object.fromEntries(BROKEN.map(([file, text]) => [`packages/${file}`, text])));
  expect(code).toBe(1);
  const found = said.replaceAll('\n    ', ': ').split('\n');
  for (const [file, , rule] of BROKEN) {
    expect(found.filter((line) => line.startsWith(`packages/${file} → `) && line.includes(rule))).not.toEqual(
      [],
    );
  }
});

test('a tree in which hardly a module is seen does not pass', () => {
  const empty = mkdtempSync(join(root, 'empty-'));
  mkdirSync(join(empty, 'packages'));
  const done = spawnSync(process.execPath, ['scripts/layers.mjs', empty], { encoding: 'utf8' });
  expect(done.status).toBe(1);
  expect(done.stderr).toContain('saw 0 TypeScript modules');
});
