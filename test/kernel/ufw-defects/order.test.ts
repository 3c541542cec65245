// What ufw gets wrong, moat gets right: their order, their two families, their numbers, and what is accepted that never works.

import { testOnBoth } from './on-both.ts';
import { ORDER_DEFECTS } from './order.ts';

testOnBoth(ORDER_DEFECTS);
