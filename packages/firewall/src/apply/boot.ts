// What makes the rules come back after a reboot: a plain nft file and a unit that loads it.
import { isSystemNetwork, systemdRuns } from '../kernel/own-network.ts';
import type { Paths } from '../kernel/paths.ts';
import { readSockets } from '../kernel/sockets.ts';
import { forgetBootRules, readBootRules, writeBootRules } from '../kernel/state.ts';
import { installUnit, removeUnit } from '../kernel/systemd.ts';
import { BOOT_UNIT, bootUnit } from './boot-unit.ts';
