// How far long work has come, for whoever wants to show it.
import type { IpFamily } from '../net/address.ts';

export interface Progress {
  readonly family: IpFamily;
  /** The how manieth order of variables is tried, from 1; and of how many. */
  readonly attempt: number;
  readonly attempts: number;
  /** Nodes made in this attempt. */
  readonly nodes: number;
}

type Listener = (progress: Progress) => void;

let listener: Listener | undefined;
let attempt = 1;
let attempts = 1;

/**
 * `tell` is called now and then while packet sets are worked out, from within that work; undefined ends it. There is one
 * listener, of the process: who waits at a terminal waits for one thing.
 */
export function watchProgress(tell: Listener | undefined): void {
  listener = tell;
}

/** Another order of variables is tried. */
export function beginAttempt(which: number, of: number): void {
  attempt = which;
  attempts = of;
}

export function tellProgress(family: IpFamily, nodes: number): void {
  listener?.({ family, attempt, attempts, nodes });
}
