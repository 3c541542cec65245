// Which kind of dump a text is, by what stands in it.
import { isObject } from './json.ts';

export type DumpKind = 'iptables-save' | 'ip6tables-save' | 'nft-json' | 'nft-text' | 'ipset-save';

/** undefined: none of those that moat reads. Names of files and their endings play no part. */
export function recogniseDump(text: string): DumpKind | undefined {
  const start = text.trimStart();
  if (start.startsWith('{')) return looksLikeNftJson(start) ? 'nft-json' : nftText(text);
  // The name of the table may have a carriage return or blanks behind it.
  if (/^\*(?:raw|mangle|nat|filter|security|rawpost|broute)\s*$/m.test(text)) {
    return isForIpv6(text) ? 'ip6tables-save' : 'iptables-save';
  }
  if (/^create \S+ (?:hash|bitmap|list):\S+/m.test(text)) return 'ipset-save';
  return nftText(text);
}

function looksLikeNftJson(text: string): boolean {
  try {
    const json: unknown = JSON.parse(text);
    return isObject(json) && Array.isArray(json['nftables']);
  } catch {
    return false;
  }
}

function nftText(text: string): DumpKind | undefined {
  const statement =
    /^\s*(?:table\s+(?:(?:ip|ip6|inet|arp|bridge|netdev)\s+)?\S+\s*\{|(?:add|create|insert)\s+(?:table|chain|rule|set|map|element)\s|flush\s+ruleset\b|define\s+\S+\s*=|include\s+")/m;
  return statement.test(text) ? 'nft-text' : undefined;
}

/** The program's own first line, else words and addresses that only IPv6 has. */
export function isForIpv6(text: string): boolean {
  if (/^#.*\bip6tables/m.test(text)) return true;
  if (/^#.*\biptables/m.test(text)) return false;
  return /(?:-p|--protocol) (?:ipv6-icmp|icmpv6)\b|\bicmp6-|(?:^| )-[sd] (?:! )?[0-9a-f]*:[0-9a-f:]*/im.test(
    text,
  );
}
