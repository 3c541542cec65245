// What ufw gets wrong, moat gets right: a disk that is full, a writer that is killed, two at once, a mistake in a file, a dry run.
import { FILE_DEFECTS } from './files.ts';
import { testOnBoth } from './on-both.ts';

testOnBoth(FILE_DEFECTS);
