// iptables targets that rewrite addresses or hand packets over.
import type { Operand } from '../model/expression.ts';
import { meta } from '../model/expression.ts';
import type { Nat } from '../model/nat.ts';
import { type Statement, verdict } from '../model/statement.ts';
import { parseAddress } from '../net/address.ts';
import { type Extension, optionOf, wordAfter } from './iptables-extension.ts';
import { setMark } from './iptables-target-mark.ts';
import { parseAddressRange, parseNetwork, parsePorts } from './iptables-value.ts';

const FLAGS: Readonly<Record<string, string>> = {
  '--random': 'random',
  '--random-fully': 'fully-random',
  '--persistent': 'persistent',
};
const FLAG_OPTIONS = { '--random': 0, '--random-fully': 0, '--persistent': 0 };

/** `ADDRESS`, `FIRST-LAST`, `:PORTS`, `ADDRESS:PORTS`, with IPv6 addresses in brackets before a port. */
function parseTarget(text: string): { address?: Operand; port?: Operand } | undefined {
  // A lone IPv6 address, or two of them, has colons and no port.
  const whole = parseAddressRange(text);
  if (whole !== undefined) return { address: whole };
  const [, addressText = '', portText] = /^(.*?)(?::([^:\]]*))?$/.exec(text) ?? [];
  const address = addressText === '' ? undefined : parseAddressRange(addressText.replaceAll(/[[\]]/g, ''));
  const port = portText === undefined ? undefined : parsePorts(portText, '-');
  if ((addressText !== '' && address === undefined) || (portText !== undefined && port === undefined)) {
    return undefined;
  }
  return { ...(address === undefined ? {} : { address }), ...(port === undefined ? {} : { port }) };
}

/** A NAT target whose `option` says where to; several of the same option chose one of them at random. */
function nat(
  type: Nat['type'],
  option: string,
  parse: (text: string) => ReturnType<typeof parseTarget>,
): Extension {
  return {
    options: { [option]: 1, ...FLAG_OPTIONS },
    read: (options) => {
      const flags = options.flatMap(({ name }) => FLAGS[name] ?? []);
      const targets = options.filter(({ name }) => name === option);
      if (targets.length > 1) return undefined;
      const to = targets[0] === undefined ? {} : parse(targets[0].values[0] ?? '');
      if (to === undefined) return undefined;
      return [{ kind: 'nat', type, ...to, flags }];
    },
  };
}

function portsOnly(text: string): { port: Operand } | undefined {
  const port = parsePorts(text, '-');
  return port === undefined ? undefined : { port };
}

/**
 * xt_TPROXY.c: no socket that listens, and the packet is dropped; a socket, and it is marked and accepted.
 */
const TPROXY: Extension = {
  options: { '--on-port': 1, '--on-ip': 1, '--tproxy-mark': 1 },
  read: (options) => {
    const portText = wordAfter(options, '--on-port');
    const addressText = wordAfter(options, '--on-ip');
    const port = portText === undefined || portText === '0' ? undefined : parsePorts(portText);
    const address = addressText === undefined ? undefined : parseAddress(addressText);
    if (portText !== undefined && portText !== '0' && port === undefined) return undefined;
    if (addressText !== undefined && address === undefined) return undefined;
    const mark = wordAfter(options, '--tproxy-mark');
    const marking = mark === undefined ? [] : setMark(meta('mark'), mark);
    if (marking === undefined) return undefined;
    return [
      {
        kind: 'tproxy',
        ...(address === undefined || address.value === 0n ? {} : { address: { kind: 'address', address } }),
        ...(port === undefined ? {} : { port }),
        missing: 'drop',
      },
      ...marking,
      verdict({ kind: 'accept' }),
    ];
  },
};

function readTee(options: Parameters<Extension['read']>[0]): readonly Statement[] | undefined {
  const address = parseAddress(wordAfter(options, '--gateway') ?? '');
  const device = wordAfter(options, '--oif');
  if (address === undefined) return undefined;
  return [
    {
      kind: 'dup',
      address: { kind: 'address', address },
      ...(device === undefined ? {} : { device: { kind: 'symbol', name: device } }),
    },
  ];
}

export const NAT_TARGETS: Readonly<Record<string, Extension>> = {
  DNAT: nat('dnat', '--to-destination', parseTarget),
  SNAT: nat('snat', '--to-source', parseTarget),
  MASQUERADE: nat('masquerade', '--to-ports', portsOnly),
  REDIRECT: nat('redirect', '--to-ports', portsOnly),
  NETMAP: {
    options: { '--to': 1 },
    read: (options, { family }) => {
      const network = parseNetwork(wordAfter(options, '--to') ?? '', family);
      if (network === undefined || network.mask !== undefined) return undefined;
      return [{ kind: 'nat', type: 'netmap', address: network.value, flags: ['netmap'] }];
    },
  },
  TPROXY,
  TEE: { options: { '--gateway': 1, '--oif': 1 }, read: readTee },
  SYNPROXY: {
    options: { '--mss': 1, '--wscale': 1, '--sack-perm': 0, '--timestamp': 0, '--ecn': 0 },
    read: (options) => {
      const mss = wordAfter(options, '--mss');
      const wscale = wordAfter(options, '--wscale');
      return [
        {
          kind: 'synproxy',
          ...(mss === undefined ? {} : { mss: Number(mss) }),
          ...(wscale === undefined ? {} : { wscale: Number(wscale) }),
          flags: ['--timestamp', '--sack-perm', '--ecn'].flatMap((name) =>
            optionOf(options, name) === undefined ? [] : [name.slice(2)],
          ),
        },
      ];
    },
  },
};
