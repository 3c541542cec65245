// Builds the package: one module for each entry, what they share in between, and the types. `--js` leaves the types out.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import ts from 'typescript';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ENTRIES = ['index', 'http', 'express', 'fastify', 'hono', 'koa', 'cli'];

/** Writes the modules into a folder. */
export async function buildModules(outdir) {
  rmSync(outdir, { recursive: true, force: true });
  await build({
    entryPoints: ENTRIES.map((name) => `${HERE}src/${name}.ts`),
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    minifySyntax: true,
    minifyWhitespace: true,
    minifyIdentifiers: true,
    logLevel: 'warning',
  });
  const cli = `${outdir}/cli.js`;
  writeFileSync(cli, `#!/usr/bin/env node\n${readFileSync(cli, 'utf8')}`, { mode: 0o755 });
}

/** Writes the types of what is exported beside the modules; each file alone, `npm run check:types` has checked them. */
export function buildTypes(outdir) {
  for (const name of [
    ...ENTRIES.filter((each) => each !== 'cli'),
    'options',
    'open',
    'token',
    'expect-public',
  ]) {
    const fileName = `${name}.ts`;
    const { outputText, diagnostics } = ts.transpileDeclaration(
      readFileSync(`${HERE}src/${fileName}`, 'utf8'),
      {
        fileName,
        reportDiagnostics: true,
        compilerOptions: {
          target: ts.ScriptTarget.ES2023,
          module: ts.ModuleKind.NodeNext,
          isolatedDeclarations: true,
        },
      },
    );
    if (diagnostics?.length > 0)
      throw new Error(`${fileName}: ${ts.flattenDiagnosticMessageText(diagnostics[0].messageText, '\n')}`);
    writeFileSync(`${outdir}/${name}.d.ts`, outputText.replaceAll(/(from '\.\/[\w-]+)\.ts'/g, "$1.js'"));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildModules(`${HERE}dist`);
  if (!process.argv.includes('--js')) buildTypes(`${HERE}dist`);
}
