// What the daemon tells: each event as one line of JSON (docs/JSON.md) and in words.
import { intervalSet, parsePrefix, prefixInterval } from '@moat/netfilter';
import type { ExposureChange } from './exposure-change.ts';
import { changedName } from './names-text.ts';
import { addressesText } from './places-text.ts';
import { placeWords } from './rule-place.ts';

/** Who sent a transaction to the kernel: the process's name, which is cut to 15 characters, and its number. */
export type By = { readonly name: string; readonly pid: number } | null;

export type DaemonEvent =
  /** `active`: rules of moat are in force. `compared`: exposures are compared with those of an earlier run. */
  | { readonly event: 'started'; readonly active: boolean; readonly compared: boolean }
  | { readonly event: 'stopped' }
  /** moat's own commands put rules in force or took them away. */
  | { readonly event: 'active'; readonly active: boolean }
  /** Somebody changed our table; `gone`: all of it. `objects`: what was not as it ought to be. */
  | {
      readonly event: 'changed';
      readonly by: By;
      readonly gone: boolean;
      readonly objects: readonly string[];
    }
  /** It is what it was again; `milliseconds` after it was noticed. */
  | { readonly event: 'repaired'; readonly milliseconds: number }
  /** Somebody changes it again and again: it was repaired so often in so many seconds, which is not told one by one. */
  | { readonly event: 'contested'; readonly by: By; readonly times: number; readonly seconds: number }
  /** Other rules than those of the applied policy were found in force, and left as they are. */
  | { readonly event: 'differs'; readonly objects: readonly string[] }
  /** A network of containers. `name`: what its engine calls it. */
  | {
      readonly event: 'network';
      readonly change: 'came' | 'went';
      readonly bridge: string;
      readonly name: string | null;
    }
  | { readonly event: 'container'; readonly change: 'started' | 'ended'; readonly name: string }
  /** The rules were changed for bridges that came or went, as `moat reload` would. */
  | { readonly event: 'followed'; readonly objects: readonly string[] }
  /** A name in a group stands for other addresses now; `came` and `went` are empty where it is only answered again. */
  | {
      readonly event: 'resolved';
      readonly name: string;
      readonly addresses: readonly string[];
      readonly came: readonly string[];
      readonly went: readonly string[];
    }
  /** A name was not answered as it should be; `addresses` are those that it goes on to stand for. */
  | {
      readonly event: 'unresolved';
      readonly name: string;
      readonly why: string;
      readonly addresses: readonly string[];
    }
  | ({ readonly event: 'exposure' } & ExposureChange)
  /** Something that the daemon needs does not work; it tries again. */
  | { readonly event: 'problem'; readonly message: string };

/** `time`: ISO 8601, UTC. */
export type ToldEvent = { readonly time: string } & DaemonEvent;

export function eventWords(event: DaemonEvent): string {
  switch (event.event) {
    case 'started':
      return `watching; moat is ${event.active ? 'active' : 'not active'}`;
    case 'stopped':
      return 'watching no more';
    case 'active':
      return `moat is ${event.active ? 'active' : 'not active any more: nothing is kept in force'}`;
    case 'changed': {
      const what = event.gone ? 'took away the rules of moat' : `changed ${listed(event.objects)}`;
      return `${byWords(event.by)} ${what}`;
    }
    case 'repaired':
      return `the rules of moat are in force again, after ${event.milliseconds} ms`;
    case 'contested':
      return (
        `${byWords(event.by)} changes the rules of moat again and again: repaired ${event.times} times in ` +
        `${event.seconds} s`
      );
    case 'differs':
      return (
        'the rules in force are not those of the applied policy' +
        `${event.objects.length === 0 ? '' : ` (${listed(event.objects)})`}; moat reload puts that right`
      );
    case 'network':
      return `network of containers ${event.change}: ${event.bridge}${event.name === null ? '' : ` (${event.name})`}`;
    case 'container':
      return `container ${event.name} ${event.change}`;
    case 'followed':
      return `the rules follow the bridges that there are: ${listed(event.objects)}`;
    case 'resolved':
      return changedName(event);
    case 'unresolved': {
      const kept =
        event.addresses.length === 0 ? 'it stands for no address' : `kept: ${event.addresses.join(', ')}`;
      return `${event.name} was not answered as it should be (${event.why}): ${kept}`;
    }
    case 'exposure':
      return exposureWords(event);
    case 'problem':
      return event.message;
    default:
      return event satisfies never;
  }
}

/** Whether somebody should look at it soon. */
export function isAlarming(event: DaemonEvent): boolean {
  switch (event.event) {
    case 'changed':
    case 'contested':
    case 'differs':
    case 'unresolved':
    case 'problem':
      return true;
    case 'exposure':
      return event.change === 'opened';
    default:
      return false;
  }
}

function exposureWords({
  change,
  direct,
  family,
  proto,
  port,
  sources,
  interfaces,
  reaches,
  openedBy,
}: ExposureChange): string {
  const addresses = intervalSet(
    sources.flatMap((text) => {
      const parsed = parsePrefix(text);
      return 'prefix' in parsed ? [prefixInterval(parsed.prefix)] : [];
    }),
  );
  const to = `${addressesText(family, addresses)}${interfaces === undefined ? '' : ` on ${interfaces.join(', ')}`}`;
  const what = reaches.kind === 'container' ? `container ${reaches.name}` : (reaches.name ?? 'unknown');
  const by = openedBy.map(placeWords).join(', ');
  const where = `${port}/${proto}${direct ? ' at its own address' : ''}`;
  return `${change} to ${to}: ${where} (${what}), IPv${family === 'ipv4' ? 4 : 6}, ${change === 'opened' ? 'by' : 'was open by'} ${by}`;
}

function byWords(by: By): string {
  return by === null ? 'somebody' : `${by.name} (pid ${by.pid})`;
}

const MOST = 6;

function listed(objects: readonly string[]): string {
  const more = objects.length - MOST;
  return `${objects.slice(0, MOST).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
