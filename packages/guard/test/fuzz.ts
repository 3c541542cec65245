// The fuzzer: sends drawn requests to a service without its token, and tells what leaked.
import type { Service } from './service.ts';
import { type Draft, draw, randomBy, type TrickName, written } from './tricks.ts';
import { wire } from './wire.ts';

export interface Leak {
  readonly kind: 'secret' | 'served though not as declared';
  readonly tricks: readonly TrickName[];
  readonly request: string;
  readonly answer: string;
}

export interface Outcome {
  readonly requests: number;
  readonly leaks: readonly Leak[];
  /** Closed handlers that were run, even where their answer did not get out. */
  readonly ran: number;
  /** Status → how often. */
  readonly statuses: ReadonlyMap<string, number>;
}

/** Fastify takes an empty `:id` for one. Node drops spaces at the end of the target. */
const AS_DECLARED = /^\/(?:health|api\/status|users\/(?!me$)[^/]*)$/;

/** What is wrong with an answer, if anything is. */
export function leakOf({ method, target }: Draft, answer: string): Leak['kind'] | undefined {
  if (/SECRET|x-secret: 1|HTTP\/1.1 101/.test(answer)) return 'secret';
  const served = /^HTTP\/1.1 2/.test(answer);
  const declared = method === 'GET' && AS_DECLARED.test(target.trim().split('?')[0]!);
  return served && !declared ? 'served though not as declared' : undefined;
}

/** Whether the bytes may be more than one request, so that more than one answer has to be waited for. */
export function mayBeSeveral({ body, headers, version }: Draft): boolean {
  return body !== '' || version !== 'HTTP/1.1' || headers.some((each) => /^ |\r\n$|^expect/i.test(each));
}

/** Sends `requests` requests over `clients` connections at a time. */
export async function fuzz(service: Service, requests: number, seed: number, clients = 16): Promise<Outcome> {
  const random = randomBy(seed);
  const leaks: Leak[] = [];
  const statuses = new Map<string, number>();
  const before = service.ran();
  let sent = 0;
  const client = async () => {
    const line = wire(service.port);
    while (sent < requests) {
      sent++;
      const { draft, tricks } = draw(random);
      const request = written(draft);
      const answer = await line.exchange(request, draft.method, mayBeSeveral(draft));
      const status = answer.slice(9, 12);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      const kind = leakOf(draft, answer);
      if (kind !== undefined) leaks.push({ kind, tricks, request, answer });
    }
    line.close();
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { requests: sent, leaks, ran: service.ran() - before, statuses };
}
