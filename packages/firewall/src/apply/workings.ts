// What a change is made with, so that a test can put something broken in its place.
import type { Table } from '@moat/netfilter';
import type { ContainerLinks } from '../compile/container-links.ts';
import { compileTable } from '../compile/table.ts';
import type { Policy } from '../policy/model.ts';
import { listTable } from './listed.ts';

export interface Workings {
  /** The rules that a policy becomes. */
  readonly compile: (policy: Policy, links: ContainerLinks) => Table;
  /** The rules that the kernel has now; undefined: none. */
  readonly list: () => Promise<Table | undefined>;
}

export const WORKINGS: Workings = { compile: compileTable, list: listTable };
