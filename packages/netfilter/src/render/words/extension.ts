// iptables extensions in words: those that ask the past, chance, clocks and contents.
import type { FreeReason, FreeStatement, XtEffect, XtOption } from '../../model/extension.ts';

/** A match that no ruleset decides. */
export function freeWords({ extension, options, reason }: FreeStatement): string {
  return WORDS[extension]?.(optionsOf(options)) ?? `${asWritten(extension, options)} (${REASONS[reason]})`;
}

/** A target, or a match that always holds, of which no rule sees the effect. */
export function effectWords({ extension, options }: XtEffect): string {
  if (extension === 'recent') {
    const given = optionsOf(options);
    return `remember the ${side(given)} in list ${given.value('--name') ?? 'DEFAULT'}`;
  }
  if (extension === 'CHECKSUM') return 'fill in the checksum';
  if (extension === 'AUDIT') return 'write an audit record';
  if (extension === 'nfacct') return `count in ${optionsOf(options).value('--nfacct-name') ?? 'nfacct'}`;
  return asWritten(extension, options);
}

const REASONS: Readonly<Record<FreeReason, string>> = {
  rate: 'how much came before',
  memory: 'which addresses came before',
  chance: 'chance',
  connections: 'how many connections are open',
  traffic: 'what the connection carried so far',
  clock: 'the time',
  content: 'what the packet carries',
  socket: 'which program it is for',
  ipsec: 'IPsec',
  host: 'state of this host',
  'set contents': 'a set that is not in the dump',
  redacted: 'made unreadable in the dump',
};

interface Given {
  readonly has: (name: string) => boolean;
  readonly negated: (name: string) => boolean;
  readonly value: (name: string) => string | undefined;
}

function optionsOf(options: readonly XtOption[]): Given {
  const of = (name: string): XtOption | undefined => options.find((option) => option.name === name);
  return {
    has: (name) => of(name) !== undefined,
    negated: (name) => of(name)?.negated === true,
    value: (name) => of(name)?.values[0],
  };
}

const WORDS: Readonly<Record<string, (given: Given) => string>> = {
  recent: (given) => {
    const times = given.value('--hitcount');
    const seconds = given.value('--seconds');
    const often = times === undefined ? '' : ` at least ${times} times`;
    const late = seconds === undefined ? '' : ` in the last ${seconds} s`;
    const asked = given.has('--remove') ? '--remove' : given.has('--update') ? '--update' : '--rcheck';
    const then =
      asked === '--update' ? ', and seen again now' : asked === '--remove' ? ', and taken out now' : '';
    const seen = given.negated(asked) ? 'was not' : 'was';
    return `${side(given)} ${seen} in list ${given.value('--name') ?? 'DEFAULT'}${often}${late}${then}`;
  },
  hashlimit: (given) => {
    const above = given.value('--hashlimit-above');
    const upto = above ?? given.value('--hashlimit-upto') ?? given.value('--hashlimit') ?? '?';
    const burst = given.value('--hashlimit-burst');
    const mode = given.value('--hashlimit-mode');
    const each =
      mode === undefined
        ? 'in all'
        : `for each ${mode
            .split(',')
            .map((of) => MODES[of] ?? of)
            .join(' and ')}`;
    const over =
      (above !== undefined) !== (given.negated('--hashlimit-above') || given.negated('--hashlimit-upto'));
    return `${over ? 'more than' : 'at most'} ${rate(upto)} ${each}${burst === undefined ? '' : ` (${burst} at once)`}`;
  },
  connlimit: (given) => {
    const above = given.value('--connlimit-above');
    const most = above ?? given.value('--connlimit-upto') ?? '?';
    const over =
      (above !== undefined) !== (given.negated('--connlimit-above') || given.negated('--connlimit-upto'));
    const mask = given.value('--connlimit-mask');
    const of = given.has('--connlimit-daddr') ? 'to the same address' : 'from the same address';
    const wide = mask === undefined || mask === '32' || mask === '128' ? '' : ` (first ${mask} bits)`;
    return `${over ? 'more than' : 'at most'} ${most} connections ${of}${wide}`;
  },
  statistic: (given) => {
    const every = given.value('--every');
    if (every !== undefined)
      return `${given.negated('--every') ? 'all but ' : ''}one packet in ${every}, in turn`;
    const share = given.value('--probability');
    return `by chance${share === undefined ? '' : `, ${given.negated('--probability') ? '1 - ' : ''}${share} of all`}`;
  },
  time: (given) => {
    const words: [string, string][] = [
      ['--timestart', 'from'],
      ['--timestop', 'until'],
      ['--weekdays', 'on'],
      ['--days', 'on'],
      ['--monthdays', 'on the days'],
      ['--datestart', 'since'],
      ['--datestop', 'up to'],
    ];
    const parts = words.flatMap(([name, word]) => {
      const value = given.value(name);
      return value === undefined ? [] : [`${word} ${given.negated(name) ? 'all but ' : ''}${value}`];
    });
    return `${parts.join(' ') || 'at any time'} ${given.has('--kerneltz') || given.has('--localtz') ? '(local time)' : '(UTC)'}`;
  },
  string: (given) => {
    const text = given.value('--string') ?? given.value('--hex-string') ?? '';
    const not = given.negated('--string') || given.negated('--hex-string');
    return `${not ? 'not carrying' : 'carrying'} the text ${JSON.stringify(text)}`;
  },
  socket: (given) =>
    given.has('--transparent')
      ? 'a program with a transparent socket waits for it'
      : 'a program of this host has a socket for it',
  policy: (given) => {
    const way = given.value('--dir') === 'out' ? 'leaving' : 'arriving';
    return given.value('--pol') === 'none' ? `${way} without IPsec` : `${way} by IPsec${details(given)}`;
  },
};

function details(given: Given): string {
  const parts = ['--proto', '--mode', '--reqid', '--spi', '--tunnel-src', '--tunnel-dst'].flatMap((name) => {
    const value = given.value(name);
    return value === undefined ? [] : [`${given.negated(name) ? 'not ' : ''}${name.slice(2)} ${value}`];
  });
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

const MODES: Readonly<Record<string, string>> = {
  srcip: 'source address',
  dstip: 'destination address',
  srcport: 'source port',
  dstport: 'destination port',
};

function side(given: Given): string {
  return given.has('--rdest') ? 'destination address' : 'source address';
}

/** `5/sec` → `5 a second`. */
function rate(text: string): string {
  const [amount = '', unit = 'sec'] = text.split('/');
  const per = ['second', 'minute', 'hour', 'day'].find((name) => name.startsWith(unit[0] ?? 's'));
  return `${amount} a ${per ?? unit}`;
}

function asWritten(extension: string, options: readonly XtOption[]): string {
  const words = options.map(({ name, negated, values }) =>
    [...(negated ? ['!'] : []), name, ...values].join(' '),
  );
  return [extension, ...words].join(' ');
}
