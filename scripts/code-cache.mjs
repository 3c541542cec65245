// Code cache: runs a few commands once out of the bundle and keeps what V8 compiled on the way.
// A process of its own.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';

/** Sentences of each kind, so that what compiles and proves them is compiled too. */
const POLICY = `group blog 203.0.113.7 2001:db8::7
allow 22/tcp
limit 2222/tcp
allow 80,8000:8100/tcp
allow in on eth0 from blog to any port 3306 proto tcp
deny from 192.0.2.0/24
expect deny from 192.0.2.9 to any port 5432
`;

const dump = (name) => fileURLToPath(new URL(`../test/rulesets/${name}`, import.meta.url));
const COMMANDS = [
  ['--help'],
  ['test'],
  ['audit', '--ruleset', dump('docker20_ufw.iptables')],
  ['audit', '--ruleset', dump('firewalld_ipset_policy.nft.json')],
];

const [bundle, cache] = process.argv.slice(2);
// The same words around the bundle as in bin/moat, or V8 refuses the cache there.
const script = new Script(
  `(function (exports, require, module, __filename, __dirname) {${readFileSync(bundle, 'latin1')}\n})`,
  { filename: bundle },
);
const root = mkdtempSync(join(tmpdir(), 'moat-build-'));
mkdirSync(join(root, 'etc/moat'), { recursive: true });
writeFileSync(join(root, 'etc/moat/policy'), POLICY);
process.on('exit', () => {
  rmSync(root, { recursive: true });
  writeFileSync(cache, script.createCachedData());
  process.exitCode = 0;
});
// The build asks nothing of this machine: no engine, no nft, whoever runs it. What the commands say of that is nobody's.
Object.assign(process.env, { MOAT_ROOT: root, DOCKER_HOST: `unix://${root}/none`, PATH: root });
process.geteuid = () => 0;
for (const stream of [process.stdout, process.stderr]) stream.write = () => true;
for (const words of COMMANDS) {
  process.argv = [process.execPath, bundle, ...words];
  const main = { exports: {} };
  script.runInThisContext()(main.exports, createRequire(bundle), main, bundle, dirname(bundle));
}
