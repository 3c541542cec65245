// A snapshot that can be shown to others: whose machine it is cannot be seen, what can be reached can.
import { randomBytes } from 'node:crypto';
import {
  parseAddress,
  prefixInterval,
  prefixOf,
  type Snapshot,
  type SnapshotRulesets,
} from '@moat/netfilter';
import { type AddressRange, addressMap, likelyNetwork } from './redact-address.ts';
import { addressesIn, type Veil, veilComment, veilComments, veilText, veilWord } from './redact-text.ts';

/**
 * Replaces the host's name, arguments of processes, remarks, hardware addresses and public addresses, each by the same
 * wherever it stands. Every network and range holds the same addresses as before, and names of tables, chains, sets,
 * interfaces, processes, units and containers stay, and so do ports. Not foreseen: addresses written in hexadecimal,
 * and masks that are no prefix. The key is thrown away, so nobody can undo it.
 */
export function redactSnapshot(snapshot: Snapshot, key: Uint8Array = randomBytes(32)): Snapshot {
  const veil: Veil = { key, address: addressMap(key, rangesOf(snapshot)) };
  const { rulesets, sockets, containers } = snapshot;
  const bare: Snapshot = {
    ...snapshot,
    hostname: 'host',
    redacted: true,
    rulesets: withoutRemarks(rulesets, veil),
    ...(sockets === undefined
      ? {}
      : {
          sockets: sockets.map((socket) => ({
            ...socket,
            processes: socket.processes.map((process) => ({
              ...process,
              args: process.args.map((arg, i) => (i === 0 ? process.name : veilWord('arg', arg, veil))),
            })),
          })),
        }),
    ...(containers === undefined
      ? {}
      : {
          containers: containers.map((container) => ({
            ...container,
            image: veilImage(container.image, veil),
          })),
        }),
  };
  return everyText(bare, (text) => veilText(text, veil)) as Snapshot;
}

function withoutRemarks({ nft, ...texts }: SnapshotRulesets, veil: Veil): SnapshotRulesets {
  const told = Object.entries(texts).map(([name, text]) => [name, veilComments(text as string, veil)]);
  const rulesets: SnapshotRulesets = Object.fromEntries(told);
  return nft === undefined ? rulesets : { nft: jsonRemarks(nft, veil), ...rulesets };
}

function jsonRemarks(json: unknown, veil: Veil): unknown {
  if (Array.isArray(json)) return json.map((each) => jsonRemarks(each, veil));
  if (typeof json !== 'object' || json === null) return json;
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => [
      key,
      key === 'comment' && typeof value === 'string' ? veilComment(value, veil) : jsonRemarks(value, veil),
    ]),
  );
}

/** `registry.example.org:5000/team/app:1` names a host; `team/app:1` does not. */
function veilImage(image: string, veil: Veil): string {
  const [first = '', ...rest] = image.split('/');
  return rest.length > 0 && /[.:]/.test(first)
    ? [veilWord('registry', first, veil), ...rest].join('/')
    : image;
}

function everyText(json: unknown, change: (text: string) => string): unknown {
  if (typeof json === 'string') return change(json);
  if (Array.isArray(json)) return json.map((each) => everyText(each, change));
  if (typeof json !== 'object' || json === null) return json;
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, everyText(value, change)]));
}

/** Every network and range anywhere in the snapshot, as text or in the fields of JSON. */
function* rangesOf(json: unknown): Generator<AddressRange> {
  if (typeof json === 'string') {
    const { ranges, addresses } = addressesIn(json);
    yield* ranges;
    for (const address of addresses) {
      const network = likelyNetwork(address);
      if (network !== undefined) yield network;
    }
    return;
  }
  if (typeof json !== 'object' || json === null) return;
  if (!Array.isArray(json)) {
    const { addr, len, range, address, prefixLength } = json as Readonly<Record<string, unknown>>;
    // nft's {"prefix": {"addr": …, "len": …}}, and a link's address with its network.
    yield* networkOf(addr, len);
    yield* networkOf(address, prefixLength);
    if (Array.isArray(range)) {
      const [first, last] = range.map((end) => parseAddress(String(end)));
      if (first !== undefined && last?.family === first.family && first.value < last.value) {
        yield { family: first.family, first: first.value, last: last.value };
      }
    }
  }
  for (const each of Object.values(json)) yield* rangesOf(each);
}

function* networkOf(text: unknown, length: unknown): Generator<AddressRange> {
  const address = typeof text === 'string' ? parseAddress(text) : undefined;
  if (address === undefined || typeof length !== 'number') return;
  const network = prefixOf(address, length);
  yield { family: network.family, ...prefixInterval(network) };
}
