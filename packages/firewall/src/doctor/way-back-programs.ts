// Programs that the way back is made of, and that this machine does not have.
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';

/** Debian's packages. */
const PACKAGES: Readonly<Record<string, string>> = {
  flock: 'util-linux',
  grep: 'grep',
  awk: 'mawk',
  cmp: 'diffutils',
};

/** What its script runs besides nft and the shell. */
export const WAY_BACK_PROGRAMS: readonly string[] = [
  ...[
    'sh',
    'flock',
    'cat',
    'cp',
    'mv',
    'rm',
    'mkdir',
    'date',
    'sleep',
    'sync',
    'readlink',
    'ls',
    'timeout',
    'grep',
    'awk',
    'cmp',
  ],
];

/** Where it looks for them. */
export const WAY_BACK_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function wayBackPrograms({ machine }: Facts): Finding[] {
  const missing = machine?.missingPrograms ?? [];
  if (missing.length === 0) return [];
  const packages = new Set(missing.map((name) => PACKAGES[name] ?? 'coreutils'));
  return [
    {
      id: 'way-back-programs',
      severity: 'high',
      what: `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not in ${WAY_BACK_PATH}`,
      why: 'the way back is a shell script that needs them: a change that locks you out would not be undone, or not whole',
      mend: [`apt install ${[...packages].join(' ')}`],
    },
  ];
}
