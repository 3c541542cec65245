// Golden cases: a policy in, what becomes of it out. `npm run accept` rewrites what is expected; read the diff.
//
//   test/cases/NAME/policy         in
//   test/cases/NAME/flows          in, optional: `PROTO SOURCE PORT [INTERFACE]`, new flows to this host
//   test/cases/NAME/answers        in, optional: `NAME ADDRESS…`, what names of hosts were answered with
//   test/cases/NAME/errors.txt     out: the mistakes of the file; or all of these:
//   test/cases/NAME/printed        out: its sentences as moat prints them
//   test/cases/NAME/ruleset.nft    out: what is sent to nft
//   test/cases/NAME/verdicts.txt   out: what each flow meets, and the rule that decides
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  parseAddress,
  prefixOf,
  renderReplacement,
  renderRule,
  type Table,
  type Walk,
  walkHook,
} from '@moat/netfilter';
import { describe, expect, test } from 'vitest';
import { NO_LINKS } from '../../packages/firewall/src/compile/container-links.ts';
import { compileTable } from '../../packages/firewall/src/compile/table.ts';
import { type PolicyFile, parsePolicyFile } from '../../packages/firewall/src/policy/file.ts';
import { type HostAnswers, NO_ANSWERS } from '../../packages/firewall/src/policy/host-names.ts';
import { formatSentence } from '../../packages/firewall/src/policy/print.ts';
import { formatProblems } from '../../packages/firewall/src/policy/problem.ts';
import { parseServices } from '../../packages/firewall/src/policy/services.ts';

const CASES = join(import.meta.dirname, '../cases');
const SERVICES = parseServices('');

describe.each(readdirSync(CASES))('%s', (name) => {
  const at = (file: string): string => join(CASES, name, file);
  const text = readFileSync(at('policy'), 'utf8');
  const answers = existsSync(at('answers')) ? answersIn(readFileSync(at('answers'), 'utf8')) : NO_ANSWERS;
  const parsed = parsePolicyFile(text, SERVICES, answers);

  if (!parsed.ok) {
    test('its mistakes are told', async () => {
      const said = formatProblems(parsed.problems, { name: '/etc/moat/policy', text });
      await expect(`${said}\n`).toMatchFileSnapshot(at('errors.txt'));
    });
    return;
  }
  const { policy } = parsed.file;
  const table = compileTable(policy, NO_LINKS);

  test('it prints as sentences that mean the same', async () => {
    const printed = print(parsed.file);
    await expect(printed).toMatchFileSnapshot(at('printed'));
    const again = parsePolicyFile(printed, SERVICES, answers);
    expect(again.ok && again.file.policy).toEqual(policy);
    expect(again.ok && print(again.file)).toBe(printed);
  });

  test('it compiles to this table', async () => {
    await expect(renderReplacement(table)).toMatchFileSnapshot(at('ruleset.nft'));
  });

  if (existsSync(at('flows'))) {
    test('its flows meet these verdicts', async () => {
      const flows = readFileSync(at('flows'), 'utf8').trimEnd().split('\n');
      const verdicts = flows.map((flow) => `${verdictLine(table, flow)}\n`).join('');
      await expect(verdicts).toMatchFileSnapshot(at('verdicts.txt'));
    });
  }
});

function answersIn(text: string): HostAnswers {
  const lines = text.trimEnd().split('\n');
  return new Map(
    lines.map((line) => {
      const [name = '', ...addresses] = line.split(' ');
      return [name, addresses.map((each) => prefixOf(parseAddress(each)!, each.includes(':') ? 128 : 32))];
    }),
  );
}

function print(file: PolicyFile): string {
  return file.lines
    .flatMap(({ sentence }) => (sentence === undefined ? [] : `${formatSentence(sentence)}\n`))
    .join('');
}

function verdictLine(table: Table, flow: string): string {
  const [protocol = '', from = '', port = '', inInterface = 'eth0'] = flow.split(' ');
  const source = parseAddress(from)!;
  const here = source.family === 'ipv4' ? '203.0.113.130' : '2001:db8:5::10';
  const walk = walkHook(table, 'prerouting', {
    protocol,
    source,
    destination: parseAddress(here)!,
    sourcePort: 50_000,
    destinationPort: Number(port),
    inInterface,
    state: 'new',
    destinationType: 'local',
    labels: new Set(),
  });
  return `${walk.verdict.padEnd(7)} ${flow.padEnd(32)} ${decidedBy(walk)}`;
}

function decidedBy({ path }: Walk): string {
  const last = path.at(-1);
  return last?.rule === undefined ? 'policy' : `${last.chain}: ${renderRule(last.rule)}`;
}
