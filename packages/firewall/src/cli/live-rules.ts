// The rules of this machine's kernel.
import { mergeIptablesNft, type Ruleset, readIptablesSave, readNftJson } from '@moat/netfilter';
import { nftListRuleset } from '../kernel/nft.ts';
import { run } from '../kernel/process.ts';
import type { Context } from './context.ts';
import type { Answer } from './say.ts';

export interface Input {
  readonly ruleset: Ruleset;
  readonly problems: readonly { readonly message: string }[];
}

export type InputResult =
  | { readonly ok: true; readonly input: Input }
  | { readonly ok: false; readonly answer: Answer };

/** All tables of nft, those of iptables-nft with what only iptables-save tells. Rejects when nft cannot be asked. */
export async function readInput(_context: Context): Promise<InputResult> {
  const native = readNftJson((await nftListRuleset()) as Parameters<typeof readNftJson>[0]);
  const saved = await Promise.all(
    ['iptables-nft-save', 'ip6tables-nft-save'].map(async (command) => {
      const ran = await run(command, ['-c']);
      return ran.kind === 'finished' && ran.code === 0 ? [readIptablesSave(ran.stdout)] : [];
    }),
  );
  return { ok: true, input: mergeIptablesNft(native, saved.flat()) };
}
