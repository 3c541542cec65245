// NAT and its relatives in nft's JSON.
import type { Statement } from '../model/statement.ts';
import { defined, hasOnly, type Json, type JsonObject, list, text } from './json.ts';
import { readOperand } from './nft-expression.ts';

type Family = 'ip' | 'ip6' | undefined;

function family(json: Json): Family {
  return json === 'ip' || json === 'ip6' ? json : undefined;
}

const optionalOperand = (json: Json) => (json === undefined ? undefined : readOperand(json));

/** The `type_flags` of a prefix map say once more what the address says itself; `netmap` is in `flags` too. */
export function readNat(
  type: 'snat' | 'dnat' | 'masquerade' | 'redirect',
  of: JsonObject,
): Statement | undefined {
  const flags = [...list(of['flags']), ...list(of['type_flags'])].map(text);
  const known = ['random', 'fully-random', 'persistent', 'netmap', 'prefix', 'interval', 'concat'];
  if (flags.some((flag) => !known.includes(flag))) return undefined;
  if (!hasOnly(of, ['family', 'addr', 'port', 'flags', 'type_flags'])) return undefined;
  return defined({
    kind: 'nat',
    type,
    family: family(of['family']),
    address: optionalOperand(of['addr']),
    port: optionalOperand(of['port']),
    flags: flags.includes('prefix') && !flags.includes('netmap') ? [...flags, 'netmap'] : flags,
  });
}

export function readTproxy(of: JsonObject): Statement {
  return defined({
    kind: 'tproxy',
    family: family(of['family']),
    address: optionalOperand(of['addr']),
    port: optionalOperand(of['port']),
    missing: 'next rule',
  });
}

export function readDuplicate(of: JsonObject): Statement {
  return defined({ kind: 'dup', address: optionalOperand(of['addr']), device: optionalOperand(of['dev']) });
}

export function readForward(of: JsonObject): Statement | undefined {
  const device = optionalOperand(of['dev']);
  if (device === undefined) return undefined;
  return defined({
    kind: 'fwd',
    device,
    family: family(of['family']),
    address: optionalOperand(of['addr']),
  });
}
