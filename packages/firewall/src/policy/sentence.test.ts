import { describe, expect, it } from 'vitest';
import { formatSentence } from './print.ts';
import { formatProblems } from './problem.ts';
import { parseSentence, type SentenceResult } from './sentence.ts';
import { parseServices } from './services.ts';
import { splitWords, wordsOfArguments } from './words.ts';

const services = parseServices('');

function parse(line: string): SentenceResult {
  const { words, problems } = splitWords(line, 1);
  return problems.length > 0 ? { ok: false, problems } : parseSentence(words, 1, services);
}

function canonical(line: string): string {
  const result = parse(line);
  return result.ok
    ? formatSentence(result.sentence)
    : formatProblems(result.problems, { name: 'x', text: line });
}

/** `column+length code`, and the hint, of each problem. */
function problemsOf(line: string): string[] {
  const result = parse(line);
  if (result.ok) return [];
  return result.problems.map(
    (p) => `${p.column}+${p.length} ${p.code}${p.hint === undefined ? '' : `: ${p.hint}`}`,
  );
}

describe('sentences and their canonical text', () => {
  it.each([
    ['allow 22'],
    ['ALLOW 22/TCP', 'allow 22/tcp'],
    ['allow ssh', 'allow 22/tcp'],
    ['allow domain', 'allow 53'],
    ['expect deny from any to any port mysql', 'expect deny 3306/tcp'],
    [
      "EXPECT Allow from blog to any port 80 proto tcp comment 'x'",
      "expect allow from blog to any port 80 proto tcp comment 'x'",
    ],
    ['expect reject out on eth0 to 192.0.2.1', 'expect reject out on eth0 to 192.0.2.1'],
    ['expect deny 22', 'expect deny 22'],
    ['expect route deny from any to any', 'expect route deny to any'],
    ['expect route allow out on eth1 in on eth0', 'expect route allow in on eth0 out on eth1 to any'],
    ['expect route deny 80/tcp', 'expect route deny to any port 80 proto tcp'],
    ['allow domain/udp', 'allow 53/udp'],
    ['allow 22/any', 'allow 22'],
    ['allow 443,80,8080:8090/tcp', 'allow 80,443,8080:8090/tcp'],
    ['allow 80:90,85:95,96/tcp', 'allow 80:96/tcp'],
    ['allow in 22', 'allow 22'],
    ['reject out 25/tcp'],
    ['limit ssh', 'limit 22/tcp'],
    ['deny from 192.0.2.0/24'],
    ['allow from 192.0.2.0/255.255.255.0', 'allow from 192.0.2.0/24'],
    ['allow from 192.0.2.1/32', 'allow from 192.0.2.1'],
    ['allow from 2001:DB8:0::/32', 'allow from 2001:db8::/32'],
    ['allow from 0.0.0.0/0'],
    ['allow in on eth0'],
    ['allow out on ppp+'],
    ['allow in on eth0 to any port 53'],
    ['allow in on eth0 proto tcp'],
    ['allow to any', 'allow to any'],
    ['allow from any', 'allow to any'],
    ['allow out from any', 'allow out to any'],
    ['allow proto esp from any', 'allow to any proto esp'],
    ['allow to any port 22 proto tcp', 'allow 22/tcp'],
    ['allow to any port any', 'allow to any'],
    ['allow from any port 53 to any', 'allow from any port 53'],
    [
      'allow from any port ssh to any port 1024:65535',
      'allow from any port 22 to any port 1024:65535 proto tcp',
    ],
    ['allow from any port domain to any port tftp', 'allow from any port 53 to any port 69 proto udp'],
    ['allow proto tcp to any port 3306 from blog', 'allow from blog to any port 3306 proto tcp'],
    ["allow comment 'x' from 192.0.2.1", "allow from 192.0.2.1 comment 'x'"],
    [`allow 22 comment "it's"   # remark`, `allow 22 comment "it's"`],
    [`allow 22 comment 'say "hi" # 漢字'`],
    ["allow 22 comment ''", 'allow 22'],
    ['default deny', 'default deny incoming'],
    ['DEFAULT Allow OUTPUT', 'default allow outgoing'],
    ['default reject forward', 'default reject routed'],
    ['logging on', 'logging low'],
    ['logging FULL', 'logging full'],
    ['group blog 203.0.113.7 2001:db8::7'],
    [
      'group blog Blog.Example.org 203.0.113.7 xn--bcher-kva.example',
      'group blog 203.0.113.7 blog.example.org xn--bcher-kva.example',
    ],
    ['group blog 3com.example.net'],
  ])('%s', (line, expected = line) => {
    expect(canonical(line)).toBe(expected);
    expect(canonical(expected)).toBe(expected);
  });

  it('P27: host bits of IPv4 and IPv6 are cleared alike, with a warning', () => {
    expect(canonical('deny from 2001:db8:9::77/64')).toBe('deny from 2001:db8:9::/64');
    const result = parse('deny from 192.0.2.9/24');
    expect(result.ok && result.warnings.map((w) => [w.column, w.message])).toEqual([
      [11, '`192.0.2.9/24` is normalised to `192.0.2.0/24`'],
    ]);
  });
});

describe('refusals say where and what instead', () => {
  it('P45: allow 0080/tcp is refused with the right spelling', () => {
    expect(problemsOf('allow 0080/tcp')).toEqual(['7+4 port: write `allow 80/tcp`']);
    expect(problemsOf('allow to any port 080')).toEqual(['19+3 port: write `allow to any port 80`']);
  });

  it('P47: a network /0 with an address in it is refused, 0.0.0.0/0 is not', () => {
    expect(problemsOf('allow from 10.9.0.2/0')).toEqual([
      '12+10 whole-internet: for the one address, write `allow from 10.9.0.2/32`',
    ]);
    expect(problemsOf('allow from 2001:db8::1/0').length).toBe(1);
    expect(problemsOf('allow from 0.0.0.0/0')).toEqual([]);
  });

  it('P26, P49: in on any is refused: it would mean an interface of that name', () => {
    expect(problemsOf('allow in on any to any port 22')).toEqual([
      '13+3 interface: leave out `on any` to mean every interface',
    ]);
  });

  it('P48: line breaks and other control characters cannot get into a comment', () => {
    for (const bad of [
      'a\nallow 80',
      'a\rb',
      '\x1b[2Ja',
      '\x7f',
      '\x00',
      '\u009b',
      '\u2028',
      '\u202e',
      '\ud800',
    ]) {
      const { problems } = wordsOfArguments(['allow', '22', 'comment', bad]);
      expect(
        problems.map((p) => [p.code, p.line]),
        JSON.stringify(bad),
      ).toEqual([['character', 1]]);
    }
    expect(problemsOf("allow 22 comment 'a\tb'")).toEqual(['20+1 character']);
  });

  it.each([
    ['allow 80/', '10+1 protocol'],
    ['allow 80//tcp', '10+4 protocol: did you mean `tcp`?'],
    ['allow 80,,443/tcp', '10+1 port'],
    ['allow 80,http/tcp', '10+4 port: write `allow 80,80/tcp`'],
    ['allow 0', '7+1 port'],
    ['allow 65536', '7+5 port'],
    ['allow -1', '7+2 port'],
    ['allow 22:2e/tcp', '10+2 port'],
    ['allow 8080-8090/tcp', '7+9 port: write `allow 8080:8090/tcp`'],
    ['allow 90:80/tcp', '7+5 port: write `allow 80:90/tcp`'],
    ['allow 80:80/tcp', '7+5 port: write `allow 80/tcp`'],
    ['allow 22/esp', '7+6 port-with-protocol'],
    ['allow 22/icmp', '10+4 protocol: the ICMP that networks need always passes: `moat show builtin`'],
    ['allow to any port 22/tcp', '19+6 port: write `allow to any port 22 proto tcp`'],
    ['allow to any port 22 proto gre', '19+2 port-with-protocol'],
    ['allow sshh', '7+4 service: did you mean `ssh`?'],
    ['allow 192.0.2.1', '7+9 port: write `allow from 192.0.2.1`'],
    ['allow form 192.0.2.1', '7+4 port: did you mean `from`?'],
    ['allow from 10.0.0.0/255.0.255.0', '12+20 address'],
    ['allow from 192.0.2.0/33', '12+12 address'],
    ['allow from ::ffff:192.0.2.1', '12+16 address: write `allow from 192.0.2.1`'],
    [
      'allow from office.example.org',
      '12+18 address: names of hosts stand in groups: `group office office.example.org`, and here `office`',
    ],
    [
      'allow to 1st.example.org',
      '10+15 address: names of hosts stand in groups: `group NAME 1st.example.org`, and here `NAME`',
    ],
    ['allow from Blog', '12+4 address: groups are written in lower case: `blog`'],
    ['allow from 192.0.2.1 to 2001:db8::1', '25+11 families: write two rules'],
    ['allow from 2001:db8::1 proto ipv6', '12+11 families'],
    ['allow in on', '13+1 missing'],
    ['allow in on abcdefghijklmnop', '13+16 interface: the kernel takes no longer names'],
    ['allow in on eth0!', '13+5 interface'],
    ['allow in on +', '13+1 interface: leave out `on +` to mean every interface'],
    ['allow on eth0', '7+2 direction: write `allow in on eth0 …`'],
    ['allow in on eth0 22', '18+2 word: write `allow in on eth0 to any port 22`'],
    [
      'allow in on eth0 out on eth1',
      '18+3 word: `in on IFACE` or `out on IFACE` comes right after the action',
    ],
    ['allow in on eth0 form 192.0.2.1', '18+4 word: did you mean `from`?'],
    ['allow 22 proto tcp', '10+5 word: write `22/PROTOCOL`'],
    [
      "allow 22 comment 'x' from 192.0.2.1",
      '22+4 word: write the port as `to any port 22`, after `in`, `out` and `on`',
    ],
    ['allow proto tcp', '17+1 rule-empty: add `to any`'],
    ['allow', '7+1 rule-empty'],
    ['allow port 22', '7+4 port-side: write `to any port 22`'],
    [
      'allow from any port smtp to any port tftp',
      '38+4 protocol-mismatch: `tftp` is udp only; write the port as a number if you mean it',
    ],
    ['allow from any from any', '16+4 twice'],
    ['limit out 22', '7+3 limit-out: write `allow out …`, `deny out …` or `reject out …`'],
    ['allow 22 comment', '18+1 missing'],
    ['alow 22', '1+4 opener: did you mean `allow`?'],
    ['22', '1+2 opener: one of allow, deny, reject, limit is missing before it'],
    ['route allow 22', '1+5 not-yet'],
    ['allow log 22', '7+3 not-yet'],
    ['allow 22 for 2h', '10+3 for: or give the sentence as a command: moat writes the moment into the file'],
    ['allow 22 until 2026-02-30', '16+10 time'],
    ['allow 22 until 2026-12-31 until 2026-12-30', '27+5 twice'],
    ['allow 22 until', '16+1 missing'],
    ['allow to any app Samba', '14+3 not-yet'],
    [
      'expect limit 22',
      '8+5 expect-limit: write `expect allow …`: what is limited is let in, unless too many come at once',
    ],
    ['expect', '8+1 expect'],
    ['expect 22', '8+2 expect'],
    ['expect deni 22', '8+4 expect: did you mean `deny`?'],
    ['expect deny', '13+1 rule-empty'],
    ['expect route deny in to any', '22+2 route'],
    ['expect route deny in on a in on b', '27+2 twice'],
    ['expect route deny in on eth0 80', '30+2 word: write `expect route deny in on eth0 to any port 80`'],
    [
      'expect deny in on eth0 out on eth1',
      '24+3 word: `in on IFACE` or `out on IFACE` comes right after the action',
    ],
    ['default incoming deny', '18+4 default: write `default deny incoming`'],
    ['default deny incomming', '14+9 default: did you mean `incoming`?'],
    ['default', '9+1 default'],
    [
      'default deny incoming now',
      '23+3 too-much: leave it out, or put it in quotes if it belongs to the text before it',
    ],
    ['logging loud', '9+4 logging'],
    ['group any 192.0.2.1', '7+3 group-name'],
    ['group Blog 192.0.2.1', '7+4 group-name: write `blog`'],
    ['group blog', '12+1 group-empty: write `group blog ADDRESS…`'],
    ['group blog any', '12+3 address: write `any` in the rule instead of a group'],
    ['group blog office', '12+6 address: write the whole name, as DNS knows it, or the addresses'],
    ['group blog a.example.org.', '12+14 host-name: write `group blog a.example.org`'],
    ['group blog bücher.example', '12+14 host-name: write it as DNS has it, in ASCII: `xn--…`'],
    ['group blog my_host.example.org', '12+19 host-name: `_` cannot be in a name'],
    ['group blog a..example', '12+10 host-name: there is nothing between two dots, or before the first'],
    ['group blog .example', '12+8 host-name: there is nothing between two dots, or before the first'],
    ['group blog -a.example', '12+10 host-name: `-a` begins or ends with -'],
    [`group blog ${'a'.repeat(64)}.example`, '12+72 host-name: `aaaaaaaaaaaaaaaa…` has 64 characters'],
    [`group blog ${'a.'.repeat(125)}example`, '12+257 host-name: it has 257 characters, and 253 is the most'],
    // Mistyped addresses are never looked up.
    ['group blog 192.0.2.1x', '12+10 address'],
    ['group blog 192.0.2.256', '12+11 address'],
    ['group blog 0x7f.0.0.1', '12+10 address'],
    [
      'group blog 192.0.2.1,a.example',
      '12+19 address: put the addresses in a group: `group NAME ADDRESS ADDRESS …`',
    ],
    ['group blog a.example/24', '12+12 address'],
    ['allow "22', '7+3 quote'],
    ['allow\u00a022', '6+1 character'],
  ])('%s', (line, ...expected) => {
    expect(problemsOf(line)).toEqual(expected);
  });

  it('reports all problems of a sentence that can be told apart', () => {
    expect(problemsOf('allow from 010.0.0.1 port 0 to any port 70000 proto tpc')).toEqual([
      '12+9 address: leading zeros mean octal to some programs; if you mean decimal, write `allow from 10.0.0.1 port 0 to any port 70000 proto tpc`',
      '27+1 port',
      '41+5 port',
      '53+3 protocol: did you mean `tcp`?',
    ]);
  });
});

describe('words of a command line', () => {
  it('keep what the shell made of them, and get columns in the text shown', () => {
    const { words, text, problems } = wordsOfArguments(['allow', '0080', 'comment', "it's the blog"]);
    expect(problems).toEqual([]);
    expect(text).toBe(`allow 0080 comment "it's the blog"`);
    expect(words.map((w) => text.slice(w.column - 1, w.column - 1 + w.length))).toEqual([
      'allow',
      '0080',
      'comment',
      `"it's the blog"`,
    ]);
  });
});
