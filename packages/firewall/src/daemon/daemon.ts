// The daemon: what happens to the rules of anybody, to interfaces, containers and sockets, and who heeds it.
//
//   nft monitor ─┬▶ keeper: our table, repaired          apply/keep.ts, under the lock
//   ip monitor ──┼▶ containers: bridges, containers ──▶ keeper
//   engine ──────┤
//   sockets ─────┴▶ exposure watch: moat audit, in a process of its own
//   DNS ──────────▶ name watch: sets of groups with names    apply/names.ts, under the lock
import { settlePending } from '../apply/settle.ts';
import { isFilledSet } from '../compile/filled-set.ts';
import { TABLE } from '../compile/table.ts';
import { watchDocker } from '../kernel/docker-events.ts';
import { readExposures } from '../kernel/exposure-file.ts';
import { watchLinks } from '../kernel/link-events.ts';
import { watchNft } from '../kernel/nft-events.ts';
import { hurry } from '../kernel/own-command.ts';
import type { Paths } from '../kernel/paths.ts';
import type { Services } from '../policy/services.ts';
import type { DaemonEvent } from '../report/daemon-event.ts';
import { newContainers } from './containers.ts';
import { watchExposures } from './exposure-watch.ts';
import { newKeeper } from './keeper.ts';
import { watchNames } from './name-watch.ts';

export interface DaemonOptions {
  readonly paths: Paths;
  readonly services: Services;
  readonly tell: (event: DaemonEvent) => void;
  /** Aborted when it shall end. */
  readonly signal: AbortSignal;
}

/** Runs until it is told to end. */
export async function runDaemon({ paths, services, tell: say, signal }: DaemonOptions): Promise<void> {
  hurry();
  // Whoever ends it, as systemd does, may end the programs that it runs at the same time: no problem of anybody's.
  const tell: DaemonOptions['tell'] = (event) => {
    if (event.event !== 'problem' || !signal.aborted) say(event);
  };
  // A change from before a reboot, where no boot unit has undone it.
  await settlePending(paths);
  const compared = readExposures(paths) !== undefined;
  const containers = newContainers(tell, () => keeper.noticed());
  const keeper = newKeeper({ paths, services, links: containers, tell });
  await containers.fresh();
  const active = await keeper.begin();
  tell({ event: 'started', active, compared });
  const exposures = watchExposures(paths, tell);
  exposures.noticed();
  const names = watchNames(paths, services, tell);
  names.noticed();
  const lost = (why: string): void => tell({ event: 'problem', message: `${why}; it is started again` });
  const stops = [
    watchNft({
      table: TABLE,
      isFilled: isFilledSet,
      onTransaction: ({ by, rules, ours, elements }) => {
        if (ours) {
          keeper.noticed(by);
          names.noticed();
        } else if (elements) keeper.filled();
        if (rules) exposures.noticed();
      },
      onListening: () => {
        keeper.noticed();
        exposures.noticed();
      },
      onLost: lost,
    }),
    watchLinks({
      onChange: () => {
        containers.noticed();
        exposures.noticed();
        names.networkChanged();
      },
      onListening: containers.noticed,
      onLost: lost,
    }),
    watchDocker(() => {
      containers.noticed();
      exposures.noticed();
    }),
  ];
  await aborted(signal);
  for (const stop of stops) stop();
  await Promise.all([containers.stop(), keeper.stop(), names.stop(), exposures.stop()]);
  tell({ event: 'stopped' });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
