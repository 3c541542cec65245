// What ufw gets wrong, moat gets right: who locks himself out is neither asked nor told.
import { testOnBoth } from '../kernel/ufw-defects/on-both.ts';
import { SSH_DEFECTS } from '../kernel/ufw-defects/ssh.ts';

testOnBoth(SSH_DEFECTS, { needsRoot: true });
