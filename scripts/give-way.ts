// Gives way: what these tests start gets the processor when those that measure time do not want it.
import { constants, setPriority } from 'node:os';

setPriority(constants.priority.PRIORITY_LOW);
