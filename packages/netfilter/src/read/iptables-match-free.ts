// iptables matches that hold or not for reasons that no ruleset tells.
import type { FreeReason, XtOption } from '../model/extension.ts';
import type { Limit, Statement } from '../model/statement.ts';
import { type Extension, optionOf, wordAfter } from './iptables-extension.ts';
import { parseNumber } from './iptables-value.ts';

/** `free('--a --b=2')`: option `--a` stands alone, `--b` has two words after it, `--c=` one. */
function options(text: string): Readonly<Record<string, number>> {
  return Object.fromEntries(
    text.split(/\s+/).map((word) => {
      const [name = '', words] = word.split('=');
      return [name, words === undefined ? 0 : Number(words || '1')];
    }),
  );
}

function free(extension: string, reason: FreeReason, words: string): [string, Extension] {
  const read = (given: readonly XtOption[]): readonly Statement[] => [
    { kind: 'free', reason, extension, options: given },
  ];
  return [extension, { options: options(words), read }];
}

const UNITS = ['second', 'minute', 'hour', 'day'];

/** `3/min`, `10/sec`, `5` (a second): rate, and nft's word for the time. */
function parseRate(text: string): Pick<Limit, 'rate' | 'per'> | undefined {
  const [count = '', unit = 's', ...rest] = text.split('/');
  const rate = parseNumber(count);
  const per =
    unit === ''
      ? undefined
      : UNITS.find((name) => name.startsWith(unit) || unit.startsWith(name.slice(0, 3)));
  return rate === undefined || per === undefined || rest.length > 0 ? undefined : { rate, per };
}

function readLimit(given: readonly XtOption[]): readonly Statement[] | undefined {
  const rate = parseRate(wordAfter(given, '--limit') ?? '3/hour');
  const burst = parseNumber(wordAfter(given, '--limit-burst') ?? '5');
  if (rate === undefined || burst === undefined || given.some(({ negated }) => negated)) return undefined;
  return [{ kind: 'limit', ...rate, burst, over: false }];
}

/** xt_recent.c recent_mt: `--set` writes the address down and always holds. */
function readRecent(given: readonly XtOption[]): readonly Statement[] | undefined {
  const set = optionOf(given, '--set');
  return set !== undefined && !set.negated
    ? [{ kind: 'effect', extension: 'recent', options: given }]
    : [{ kind: 'free', reason: 'memory', extension: 'recent', options: given }];
}

function readQuota(given: readonly XtOption[]): readonly Statement[] | undefined {
  const quota = optionOf(given, '--quota');
  const bytes = /^[0-9]+$/.test(quota?.values[0] ?? '') ? Number(quota?.values[0]) : undefined;
  if (quota === undefined || bytes === undefined || !Number.isSafeInteger(bytes)) return undefined;
  return [{ kind: 'quota', bytes, over: quota.negated }];
}

export const FREE_MATCHES: Readonly<Record<string, Extension>> = {
  ...Object.fromEntries([
    free(
      'hashlimit',
      'rate',
      `--hashlimit= --hashlimit-upto= --hashlimit-above= --hashlimit-burst= --hashlimit-mode= --hashlimit-name=
      --hashlimit-srcmask= --hashlimit-dstmask= --hashlimit-htable-size= --hashlimit-htable-max=
      --hashlimit-htable-expire= --hashlimit-htable-gcinterval= --hashlimit-rate-match --hashlimit-rate-interval=`,
    ),
    free(
      'connlimit',
      'connections',
      '--connlimit-upto= --connlimit-above= --connlimit-mask= --connlimit-saddr --connlimit-daddr',
    ),
    free('statistic', 'chance', '--mode= --probability= --every= --packet='),
    free('random', 'chance', '--average='),
    free('nth', 'chance', '--counter= --every= --start= --packet='),
    free(
      'time',
      'clock',
      '--timestart= --timestop= --datestart= --datestop= --monthdays= --weekdays= --days= --contiguous --kerneltz --utc --localtz',
    ),
    free('string', 'content', '--algo= --from= --to= --string= --hex-string= --icase'),
    free('u32', 'content', '--u32='),
    free('bpf', 'content', '--bytecode= --object-pinned='),
    free(
      'dccp',
      'content',
      '--sport= --source-port= --dport= --destination-port= --dccp-types= --dccp-option=',
    ),
    free('tcpmss', 'content', '--mss='),
    free('ipv6header', 'content', '--header= --soft'),
    free('ipv4options', 'content', '--flags= --any'),
    free('eui64', 'content', '--none'),
    free('srh', 'content', '--srh-next-hdr= --srh-segs-left= --srh-last-entry= --srh-tag='),
    free('l2tp', 'content', '--tid= --sid= --pversion= --type='),
    free('layer7', 'content', '--l7proto= --l7dir='),
    free('ipp2p', 'content', '--edk --kazaa --gnu --dc --bit --apple --winmx --soul --ares --ipp2p'),
    free('osf', 'content', '--genre= --ttl= --log='),
    free('socket', 'socket', '--transparent --nowildcard --restore-skmark'),
    free('cgroup', 'socket', '--cgroup= --path='),
    free(
      'policy',
      'ipsec',
      '--dir= --pol= --strict --next --reqid= --spi= --proto= --mode= --tunnel-src= --tunnel-dst=',
    ),
    free(
      'rateest',
      'rate',
      '--rateest= --rateest1= --rateest2= --rateest-lt --rateest-gt --rateest-eq --rateest-delta --rateest-bps= --rateest-pps= --rateest-bps1= --rateest-bps2= --rateest-pps1= --rateest-pps2=',
    ),
    free(
      'cluster',
      'host',
      '--cluster-total-nodes= --cluster-local-node= --cluster-local-nodemask= --cluster-hash-seed=',
    ),
    free('condition', 'host', '--condition='),
    free('geoip', 'host', '--src-cc= --source-country= --dst-cc= --destination-country='),
    free('ipvs', 'host', '--ipvs --vproto= --vaddr= --vport= --vdir= --vmethod= --vportctl='),
    free('account', 'traffic', '--aaddr= --aname= --ashort'),
  ]),
  limit: { options: options('--limit= --limit-burst='), read: readLimit },
  quota: { options: options('--quota='), read: readQuota },
  recent: {
    options: options(
      '--set --rcheck --update --remove --seconds= --hitcount= --rttl --name= --rsource --rdest --mask= --reap',
    ),
    read: readRecent,
  },
  nfacct: {
    options: options('--nfacct-name='),
    read: (given) => [{ kind: 'effect', extension: 'nfacct', options: given }],
  },
  comment: { options: options('--comment='), read: () => [] },
};
