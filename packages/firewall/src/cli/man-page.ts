// moat(8) in roff's man macros: verbs, options and exit codes as the command knows them, and what help does not have.
import type { Command, Option } from 'commander';
import { LOG_LEVELS, PROTOCOLS } from '../policy/keywords.ts';
import { EXPECTED_DURATION, EXPECTED_MOMENT } from '../policy/time.ts';
import { EXIT_MEANINGS, WHAT_CHANGED } from './exit-code.ts';
import { EXAMPLES } from './help-ending.ts';

const DESCRIPTION = `
\`moat\` is a host firewall: what no sentence lets in stays outside, for IPv4 and IPv6, and the ports that containers publish are
closed like any other. It puts one table, \`inet moat\`, into nftables and touches nobody else's rules.

A change looks first at the connections through which this machine is administered, and is refused if one of them could not be
made again. What closes something goes back by itself, after 60 seconds or when the session at a prompt ends that made it,
unless \`moat confirm\` is run from a new connection.

\`moat\` alone is \`moat status\`. Most verbs need root. Those that look at the rules of everybody, such as \`audit\` and \`explain\`,
take \`--snapshot\` or \`--ruleset\` in the place of the machine, and then they do not.`;

const SENTENCES = `
The policy is a file of sentences, one a line; \`#\` begins a remark. The same sentences are commands: they change the
file and, while moat is enabled, the rules. Among rules the first that fits decides. What is incoming is decided by the address and port that a client
dials, before Docker or anybody else rewrites them.`;

const FORMS: readonly Entry[] = [
  [
    '`allow`|`deny`|`reject`|`limit` [`in`|`out`] <port>[/<protocol>]',
    'A rule in short: a port of this host, or with `out` of any other. Without a protocol that of the service is meant, else tcp and udp.',
  ],
  [
    '`allow`|`deny`|`reject`|`limit` [`in`|`out` [`on` <interface>]] [`from` <address> [`port` <port>]] [`to` <address> [`port` <port>]] [`proto` <protocol>]',
    '`deny` gives no answer, `reject` does, `limit` lets in but few at a time from one source. Either form may end with `comment` <text>, and with `until` <moment> or, as a command, `for` <time>.',
  ],
  [
    '`default` `allow`|`deny`|`reject` [`incoming`|`outgoing`|`routed`]',
    'What happens where no rule fits; incoming if nothing is said.',
  ],
  [
    '`group` <name> <member>...',
    'A name to be written after `from` and `to`. Members are addresses, networks, and names of hosts, which `moat daemon` looks up again and again.',
  ],
  [
    '`expect` [`route`] `allow`|`deny`|`reject` ...',
    'Flows as in a rule. A change of the policy after which this did not hold is refused.',
  ],
  [`\`logging\` ${LOG_LEVELS.map((level) => `\`${level}\``).join('|')}`, 'What goes to the kernel log.'],
  ['<address>', '`any`, an address or a network of IPv4 or IPv6, or the name of a group.'],
  [
    '<port>',
    'A number, the name of a service, or with a protocol a range 8000:8100 or a list 80,443,8000:8100.',
  ],
  ['<protocol>', `One of ${PROTOCOLS.join(', ')}.`],
  ['<time>', `${upperFirst(EXPECTED_DURATION)}.`],
  ['<moment>', `${upperFirst(EXPECTED_MOMENT)}.`],
];

/** A policy file, to be read as an example. */
export const POLICY_EXAMPLE = `default deny incoming
default allow outgoing
group office 198.51.100.7 2001:db8::/64 home.example.org
limit from office to any port ssh
allow 80,443/tcp                       # the web
deny from 192.0.2.0/24
expect deny from any to any port mysql`;

const ENVIRONMENT: readonly Entry[] = [
  ['`MOAT_ROOT`', 'As `--root`.'],
  ['`DOCKER_HOST`', 'The socket of the container engine, if it is written `unix://`<path>.'],
  ['`NO_COLOR`', 'If set, no colours.'],
];

const FILES: readonly Entry[] = [
  ['`/etc/moat/policy`', 'The sentences. After changes by hand: `moat reload`.'],
  [
    '`/var/lib/moat`',
    'What has to outlive a reboot: `boot.nft`, the rules for boot, and `boot.sh`, which loads them; the last hundred states in `generations`; bans.',
  ],
  ['`/run/moat`', 'What has not: the lock, and what this boot loaded.'],
];

type Entry = readonly [term: string, text: string];

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\e',
  '-': '\\-',
  "'": '\\(aq',
  '^': '\\(ha',
  '~': '\\(ti',
};

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Text that roff prints as it is; none of its lines is a request. */
function plain(text: string): string {
  return text.replace(/[\\\-'^~]/g, (sign) => ESCAPES[sign]!).replace(/^\./gm, '\\&.');
}

/** The same with \`words as typed\` in bold and <what to put there> in italics; an empty line begins a paragraph. */
function prose(text: string): string {
  return plain(text.trim())
    .replace(/`([^`]+)`/g, '\\fB$1\\fR')
    .replace(/<([\w:]+)>/g, (_, name: string) => `\\fI${name.toUpperCase()}\\fR`)
    .replace(/\n\n/g, '\n.PP\n');
}

const section = (title: string, ...body: readonly string[]): string => [`.SH ${title}`, ...body].join('\n');
const entry = ([term, text]: Entry): string => `.TP\n${prose(term)}\n${prose(text)}`;
const indented = (body: readonly string[]): string[] => (body.length === 0 ? [] : ['.RS', ...body, '.RE']);

function optionEntry({ flags, description, defaultValue, envVar }: Option): string {
  const more = [
    ...(typeof defaultValue === 'number' ? [`default: ${defaultValue}`] : []),
    ...(envVar === undefined ? [] : [`environment: \`${envVar}\``]),
  ];
  const text = more.length === 0 ? description : `${description} (${more.join(', ')})`;
  return entry([flags.replace(/--?[a-z][a-z-]*/g, '`$&`'), text]);
}

function verbEntry(verb: Command): string {
  // Options that every verb has stand in OPTIONS.
  const own = verb
    .createHelp()
    .visibleOptions(verb)
    .filter(({ long }) => long !== '--help');
  return [entry([`\`${verb.name()}\``, verb.description()]), ...indented(own.map(optionEntry))].join('\n');
}

/** The whole page; ASCII, without a line feed at its end. `moat`: commander's program with all its verbs. */
export function manPage(moat: Command, version: string): string {
  const help = moat.createHelp();
  return [
    `.\\" Made by \`moat man-page\`.`,
    `.TH MOAT 8 "" "moat ${version}" "System Administration"`,
    section('NAME', plain('moat - a host firewall, closed by default, that does not lock its owner out')),
    section('SYNOPSIS', prose('`moat` [<options>] [<verb> [<word>...]]')),
    section('DESCRIPTION', prose(DESCRIPTION)),
    section('VERBS', ...help.visibleCommands(moat).map(verbEntry)),
    section('SENTENCES', prose(SENTENCES), ...FORMS.map(entry), '.PP', 'A policy:'),
    ...indented(['.nf', plain(POLICY_EXAMPLE), '.fi']),
    section(
      'OPTIONS',
      prose('They stand before or after the verb; what comes after `--` is none.'),
      ...help.visibleOptions(moat).map(optionEntry),
    ),
    section(
      'EXIT STATUS',
      ...Object.entries(EXIT_MEANINGS).map(([code, meaning]) => entry([`\`${code}\``, upperFirst(meaning)])),
      '.PP',
      prose(WHAT_CHANGED),
    ),
    section('ENVIRONMENT', ...ENVIRONMENT.map(entry)),
    section('FILES', ...FILES.map(entry)),
    section('EXAMPLES', ...EXAMPLES.map(([command, meaning]) => entry([`\`${command}\``, meaning]))),
    section('SEE ALSO', prose('`nft`(8), `ss`(8), `iptables`(8)')),
  ].join('\n');
}
