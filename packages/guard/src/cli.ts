// The command: `npx @moat/guard routes ./app.js` prints which routes an application has and who may use them.
import { Server } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { Route } from './options.ts';
import { allGuarded } from './registry.ts';

const USAGE = `usage: npx @moat/guard routes [--json] FILE

FILE is the module that makes the application and guards it. It is imported; ports that it opens stay closed.
Exit code: 0, 1 if nothing is guarded or a public route does not exist, 2 for a mistake in the command.`;

/** Milliseconds that a module may go on making its application: once it was imported, or once it asked for a port. */
const SETTLE = 200;

process.exitCode = await main(process.argv.slice(2));
// What the application left running (timers, pools) must not keep the command.
process.stdout.write('', () => process.exit());

async function main(words: readonly string[]): Promise<number> {
  const json = words.includes('--json');
  const [verb, file, ...rest] = words.filter((word) => word !== '--json');
  if (verb !== 'routes' || file === undefined || rest.length > 0) {
    console.error(USAGE);
    return 2;
  }
  const listened = new Promise<void>((done) => {
    Server.prototype.listen = function (this: Server) {
      void setTimeout(SETTLE).then(done);
      return this;
    };
  });
  try {
    const imported = import(pathToFileURL(resolve(file)).href);
    await Promise.race([imported.then(() => setTimeout(SETTLE)), listened]);
    const tables: Route[][] = [];
    for (const { guard, ready } of allGuarded()) {
      await ready();
      tables.push(guard.routes());
    }
    if (tables.length === 0) {
      console.error(
        `${file} guards no application. Expected a module that calls guard(…) when it is imported.`,
      );
      return 1;
    }
    console.log(json ? JSON.stringify(tables.flat(), null, 2) : tables.map(text).join('\n\n'));
    return tables.flat().some(({ missing }) => missing) ? 1 : 0;
  } catch (error) {
    console.error(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

function text(routes: readonly Route[]): string {
  const rows = routes.map(({ method, path, access, missing }) => [
    method,
    path,
    missing === true ? 'closed (declared public, but there is no such route)' : access,
  ]);
  const widths = [0, 1].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)));
  const open = routes.filter(({ access }) => access === 'public').length;
  return [
    ...rows.map(
      ([method, path, access]) => `${method!.padEnd(widths[0]!)}  ${path!.padEnd(widths[1]!)}  ${access}`,
    ),
    `${routes.length} routes, ${open} public; everything else is refused`,
  ].join('\n');
}
