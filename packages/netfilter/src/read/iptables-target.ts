// iptables targets: verdicts, answers, notes, tracking.

import { ct } from '../model/expression.ts';
import type { XtOption } from '../model/extension.ts';
import { type Statement, verdict } from '../model/statement.ts';
import { number, range, symbol } from '../model/value.ts';
import { all, type Extension, optionOf, wordAfter } from './iptables-extension.ts';
import { MARK_TARGETS } from './iptables-target-mark.ts';
import { NAT_TARGETS } from './iptables-target-nat.ts';
import { parseNumber } from './iptables-value.ts';

const plain = (...statements: readonly Statement[]): Extension => ({ options: {}, read: () => statements });

/** iptables' word → nft's. */
const REJECT_CODES: Readonly<Record<'ip' | 'ip6', ReadonlyMap<string, string>>> = {
  ip: new Map([
    ['icmp-net-unreachable', 'net-unreachable'],
    ['net-unreach', 'net-unreachable'],
    ['icmp-host-unreachable', 'host-unreachable'],
    ['host-unreach', 'host-unreachable'],
    ['icmp-proto-unreachable', 'prot-unreachable'],
    ['proto-unreach', 'prot-unreachable'],
    ['icmp-port-unreachable', 'port-unreachable'],
    ['port-unreach', 'port-unreachable'],
    ['icmp-net-prohibited', 'net-prohibited'],
    ['net-prohib', 'net-prohibited'],
    ['icmp-host-prohibited', 'host-prohibited'],
    ['host-prohib', 'host-prohibited'],
    ['icmp-admin-prohibited', 'admin-prohibited'],
    ['admin-prohib', 'admin-prohibited'],
  ]),
  ip6: new Map([
    ['icmp6-no-route', 'no-route'],
    ['no-route', 'no-route'],
    ['icmp6-adm-prohibited', 'admin-prohibited'],
    ['adm-prohibited', 'admin-prohibited'],
    ['icmp6-addr-unreachable', 'addr-unreachable'],
    ['addr-unreach', 'addr-unreachable'],
    ['icmp6-port-unreachable', 'port-unreachable'],
    ['port-unreach', 'port-unreachable'],
    ['icmp6-policy-fail', 'policy-fail'],
    ['policy-fail', 'policy-fail'],
    ['icmp6-reject-route', 'reject-route'],
    ['reject-route', 'reject-route'],
  ]),
};

const REJECT: Extension = {
  options: { '--reject-with': 1 },
  read: (options, { family }) => {
    const word = wordAfter(options, '--reject-with') ?? 'port-unreach';
    if (word === 'tcp-reset' || word === 'tcp-rst') return [{ kind: 'reject', type: 'tcp reset' }];
    const code = REJECT_CODES[family].get(word);
    if (code === undefined) return undefined;
    return [{ kind: 'reject', type: family === 'ip' ? 'icmp' : 'icmpv6', code }];
  },
};

const LEVELS = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'];
const LEVEL_ALIASES: Readonly<Record<string, string>> = { error: 'err', warning: 'warn', panic: 'emerg' };
const LOG_FLAGS: Readonly<Record<string, string>> = {
  '--log-tcp-sequence': 'tcp sequence',
  '--log-tcp-options': 'tcp options',
  '--log-ip-options': 'ip options',
  '--log-uid': 'skuid',
  '--log-macdecode': 'ether',
};

const LOG: Extension = {
  options: {
    '--log-prefix': 1,
    '--log-level': 1,
    '--log-tcp-sequence': 0,
    '--log-tcp-options': 0,
    '--log-ip-options': 0,
    '--log-uid': 0,
    '--log-macdecode': 0,
  },
  read: (options) => {
    const prefix = wordAfter(options, '--log-prefix');
    const word = (wordAfter(options, '--log-level') ?? 'warn').toLowerCase();
    const level = LEVELS[parseNumber(word) ?? LEVELS.indexOf(LEVEL_ALIASES[word] ?? word)];
    if (level === undefined) return undefined;
    const flags = options.flatMap(({ name }) => LOG_FLAGS[name] ?? []);
    return [
      {
        kind: 'log',
        ...(prefix === undefined ? {} : { prefix }),
        // The default, which nft does not write either.
        ...(level === 'warn' ? {} : { level }),
        ...(flags.length === 0 ? {} : { flags }),
      },
    ];
  },
};

/** NFLOG and its forerunner ULOG. */
function groupLog(names: { group: string; prefix: string; size: string; threshold: string }): Extension {
  return {
    options: {
      [names.group]: 1,
      [names.prefix]: 1,
      [names.size]: 1,
      [names.threshold]: 1,
      '--nflog-size': 1,
    },
    read: (options) => {
      const prefix = wordAfter(options, names.prefix);
      const numbers = [
        parseNumber(wordAfter(options, names.group) ?? '0'),
        parseNumber(wordAfter(options, '--nflog-size') ?? wordAfter(options, names.size) ?? '0'),
        parseNumber(wordAfter(options, names.threshold) ?? '0'),
      ];
      const [group, snaplen, threshold] = numbers;
      if (group === undefined || snaplen === undefined || threshold === undefined) return undefined;
      return [
        {
          kind: 'log',
          ...(prefix === undefined ? {} : { prefix }),
          group,
          ...(snaplen === 0 ? {} : { snaplen }),
          ...(threshold === 0 ? {} : { queueThreshold: threshold }),
        },
      ];
    },
  };
}

const NFQUEUE: Extension = {
  options: { '--queue-num': 1, '--queue-balance': 1, '--queue-bypass': 0, '--queue-cpu-fanout': 0 },
  read: (options) => {
    const single = parseNumber(wordAfter(options, '--queue-num') ?? '0');
    const [first, last] = (wordAfter(options, '--queue-balance') ?? '').split(':').map(parseNumber);
    if (single === undefined) return undefined;
    return [
      {
        kind: 'queue',
        queue: first !== undefined && last !== undefined ? range(first, last) : number(single),
        flags: [
          ...(optionOf(options, '--queue-bypass') === undefined ? [] : ['bypass']),
          ...(optionOf(options, '--queue-cpu-fanout') === undefined ? [] : ['fanout']),
        ],
      },
    ];
  },
};

function readCtOption({ name, values }: XtOption): readonly Statement[] | undefined {
  const text = values[0] ?? '';
  const zone = parseNumber(text);
  switch (name) {
    case '--notrack':
      return [{ kind: 'notrack' }];
    case '--helper':
      return [{ kind: 'mangle', key: ct('helper'), value: symbol(text) }];
    case '--timeout':
      return [{ kind: 'object', type: 'ct timeout', name: symbol(text) }];
    case '--zone':
    case '--zone-orig':
    case '--zone-reply': {
      if (zone === undefined) return undefined;
      const direction = name === '--zone' ? undefined : name === '--zone-orig' ? 'original' : 'reply';
      return [{ kind: 'mangle', key: ct('zone', direction), value: number(zone) }];
    }
    // Which events are told to listeners.
    case '--ctevents':
    case '--expevents':
      return [{ kind: 'effect', extension: 'CT', options: [{ name, negated: false, values }] }];
    default:
      return undefined;
  }
}

const CT: Extension = {
  options: {
    '--notrack': 0,
    '--helper': 1,
    '--timeout': 1,
    '--zone': 1,
    '--zone-orig': 1,
    '--zone-reply': 1,
    '--ctevents': 1,
    '--expevents': 1,
  },
  read: (options) => all(options.map(readCtOption)),
};

function readSetTarget(options: readonly XtOption[]): readonly Statement[] | undefined {
  const change = options.find(({ name }) => name === '--add-set' || name === '--del-set');
  if (change === undefined || optionOf(options, '--map-set') !== undefined) return undefined;
  const directions = (change.values[1] ?? '').split(',');
  if (!directions.every((each) => each === 'src' || each === 'dst')) return undefined;
  const timeout = parseNumber(wordAfter(options, '--timeout') ?? '');
  return [
    {
      kind: 'ipset change',
      operation: change.name === '--add-set' ? 'add' : 'delete',
      set: change.values[0] ?? '',
      directions,
      exist: optionOf(options, '--exist') !== undefined,
      ...(timeout === undefined ? {} : { timeout }),
    },
  ];
}

/** A target that decides nothing and whose effect no rule sees; the words are its options, `=` with a word after. */
function effect(extension: string, words: string): [string, Extension] {
  const options = words.split(' ').filter(Boolean);
  return [
    extension,
    {
      options: Object.fromEntries(
        options.map((word) => (word.endsWith('=') ? [word.slice(0, -1), 1] : [word, 0])),
      ),
      read: (given) => [{ kind: 'effect', extension, options: given }],
    },
  ];
}

export const TARGETS: Readonly<Record<string, Extension>> = {
  ACCEPT: plain(verdict({ kind: 'accept' })),
  DROP: plain(verdict({ kind: 'drop' })),
  RETURN: plain(verdict({ kind: 'return' })),
  QUEUE: plain({ kind: 'queue', queue: number(0), flags: [] }),
  NOTRACK: plain({ kind: 'notrack' }),
  REJECT,
  LOG,
  NFLOG: groupLog({
    group: '--nflog-group',
    prefix: '--nflog-prefix',
    size: '--nflog-range',
    threshold: '--nflog-threshold',
  }),
  ULOG: groupLog({
    group: '--ulog-nlgroup',
    prefix: '--ulog-prefix',
    size: '--ulog-cprange',
    threshold: '--ulog-qthreshold',
  }),
  NFQUEUE,
  CT,
  SET: {
    options: {
      '--add-set': 2,
      '--del-set': 2,
      '--map-set': 2,
      '--exist': 0,
      '--timeout': 1,
      '--map-mark': 0,
      '--map-prio': 0,
      '--map-queue': 0,
    },
    read: readSetTarget,
  },
  ...NAT_TARGETS,
  ...MARK_TARGETS,
  ...Object.fromEntries([
    effect('CHECKSUM', '--checksum-fill'),
    effect('AUDIT', '--type='),
    effect('LED', '--led-trigger-id= --led-delay= --led-always-blink'),
    effect('IDLETIMER', '--timeout= --label= --alarm --send_nl_msg='),
    effect('RATEEST', '--rateest-name= --rateest-interval= --rateest-ewmalog='),
    effect('SECMARK', '--selctx='),
    effect('CONNSECMARK', '--save --restore'),
    effect('ECN', '--ecn-tcp-remove'),
    effect('TCPOPTSTRIP', '--strip-options='),
  ]),
};
