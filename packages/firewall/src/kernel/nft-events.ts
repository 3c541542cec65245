// What happens to the rules of anybody, transaction by transaction, as `nft monitor` tells it.
import { followProgram } from './followed-program.ts';

/** Who sent a transaction: the name is that of its process (`nft`, `iptables-restor`), which may be gone by now. */
export interface Sender {
  readonly name: string;
  readonly pid: number;
}

export interface Transaction {
  /** undefined: nft did not tell. */
  readonly by: Sender | undefined;
  /** Rules, chains, sets or tables changed, whosesoever; not only elements of the sets that programs fill. */
  readonly rules: boolean;
  /** The same in the table that is watched. */
  readonly ours: boolean;
  /** Elements came into or went out of sets of the watched table that programs fill. */
  readonly elements: boolean;
}

export interface NftWatch {
  readonly table: { readonly family: string; readonly name: string };
  /** Whether programs fill this set of the watched table: its elements are no rules. */
  readonly isFilled: (set: string) => boolean;
  readonly onTransaction: (transaction: Transaction) => void;
  readonly onListening: () => void;
  readonly onLost: (why: string) => void;
}

/** After so long without a line a transaction counts as told, where its last line does not come. */
const QUIET_MS = 40;

/** Watches until the function that it gives is called. */
export function watchNft(watch: NftWatch): () => void {
  const reader = transactionReader(watch);
  let timer: NodeJS.Timeout | undefined;
  const stop = followProgram('nft', ['monitor'], {
    onLine: (line) => {
      clearTimeout(timer);
      if (!reader.line(line)) timer = setTimeout(reader.end, QUIET_MS);
    },
    onListening: watch.onListening,
    onLost: watch.onLost,
  });
  return () => {
    clearTimeout(timer);
    stop();
  };
}

const GENERATION = /^# new generation \d+(?: by process (\d+) \((.*)\))?$/;
const OBJECT = /^(?:add|delete|insert|replace|create|destroy) (\w+) (\w+) (\S+)(?: (\S+))?/;

/** Lines in, transactions out. `line` says whether the line ended one; `end` ends what has been told so far. */
export function transactionReader({
  table,
  isFilled,
  onTransaction,
}: Pick<NftWatch, 'table' | 'isFilled' | 'onTransaction'>): {
  line(text: string): boolean;
  end(): void;
} {
  let [rules, ours, elements] = [false, false, false];
  const finish = (by: Sender | undefined): void => {
    if (rules || ours || elements) onTransaction({ by, rules, ours, elements });
    [rules, ours, elements] = [false, false, false];
  };
  return {
    line(text) {
      const generation = GENERATION.exec(text);
      if (generation !== null) {
        const [, pid, name] = generation;
        finish(pid === undefined ? undefined : { name: name ?? '', pid: Number(pid) });
        return true;
      }
      const [, kind, family, name, third] = OBJECT.exec(text) ?? [];
      // The rest of an element, a trace: nothing that begins with an object.
      if (kind === undefined) return false;
      const here = family === table.family && name === table.name;
      if (here && kind === 'element' && isFilled(third ?? '')) elements = true;
      else {
        rules = true;
        ours ||= here;
      }
      return false;
    },
    end: () => finish(undefined),
  };
}
