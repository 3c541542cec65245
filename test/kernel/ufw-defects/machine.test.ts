// What ufw gets wrong, moat gets right: windows, others' rules, locks, prompts, and lying about the kernel.
import { MACHINE_DEFECTS } from './machine.ts';
import { testOnBoth } from './on-both.ts';

testOnBoth(MACHINE_DEFECTS);
