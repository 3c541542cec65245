// Code cache: runs `moat --help` once out of the bundle and keeps what V8 compiled on the way. A process of its own.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';

const [bundle, cache] = process.argv.slice(2);
// The same words around the bundle as in bin/moat, or V8 refuses the cache there.
const script = new Script(
  `(function (exports, require, module, __filename, __dirname) {${readFileSync(bundle, 'latin1')}\n})`,
  { filename: bundle },
);
process.on('exit', (code) => {
  if (code === 0) writeFileSync(cache, script.createCachedData());
});
process.argv = [process.execPath, bundle, '--help'];
const main = { exports: {} };
script.runInThisContext()(main.exports, createRequire(bundle), main, bundle, dirname(bundle));
