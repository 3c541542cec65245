// The seal: a response that nobody can write to until the guard has released it. What writes before becomes the refusal.
import { type ServerResponse, STATUS_CODES } from 'node:http';

const SEAL = Symbol('moat guard');

/** One response's seal. */
export interface Seal {
  /** Whether what is written now goes to the client. */
  released: boolean;
  /** Whether the refusal was sent; all that is written afterwards is dropped. */
  refused: boolean;
  /** Sends the refusal, called once when something writes to the sealed response. */
  readonly onWrite: (response: ServerResponse, seal: Seal) => void;
  /** The seal of a guard further out, which has to be released as well. */
  readonly outer: Seal | undefined;
  readonly writeHead: ServerResponse['writeHead'];
  readonly write: ServerResponse['write'];
  readonly end: ServerResponse['end'];
  readonly flushHeaders: ServerResponse['flushHeaders'];
}

type Sealed = ServerResponse & { [SEAL]?: Seal };
/** The four methods have overloads; their arguments go through as they came. */
type Through = (this: ServerResponse, ...values: unknown[]) => never;

/** The seal of a response, if it has one. */
export function sealOf(response: ServerResponse): Seal | undefined {
  return (response as Sealed)[SEAL];
}

/**
 * Seals a response. `writeHead` is on the way of every header (`end`, `write` and `flushHeaders` of Node call it), but a
 * refusal inside it would let their bodies follow; therefore all four are held.
 */
export function seal(response: ServerResponse, onWrite: Seal['onWrite']): Seal {
  const target = response as Sealed;
  const made: Seal = {
    released: false,
    refused: false,
    onWrite,
    outer: target[SEAL],
    writeHead: target.writeHead,
    write: target.write,
    end: target.end,
    flushHeaders: target.flushHeaders,
  };
  target[SEAL] = made;
  if (made.outer === undefined) {
    target.writeHead = writeHead;
    target.write = write;
    target.end = end;
    target.flushHeaders = flushHeaders;
  }
  return made;
}

/** The outermost seal's methods are Node's own (or of whoever wrapped them before the guard). */
function base(response: Sealed): Seal {
  let each = response[SEAL]!;
  while (each.outer !== undefined) each = each.outer;
  return each;
}

/** Whether the write may go through; sends the refusal if not. */
function passes(response: Sealed): boolean {
  const first = response[SEAL]!;
  for (let each: Seal | undefined = first; each !== undefined; each = each.outer) {
    if (each.refused) return false;
    if (each.released) continue;
    each.refused = true;
    each.onWrite(response, each);
    return false;
  }
  return true;
}

function writeHead(this: Sealed, a: unknown, b?: unknown, c?: unknown): ServerResponse {
  return passes(this) ? (base(this).writeHead as Through).call(this, a, b, c) : this;
}

function write(this: Sealed, a: unknown, b?: unknown, c?: unknown): boolean {
  return passes(this) ? (base(this).write as Through).call(this, a, b, c) : true;
}

function end(this: Sealed, a?: unknown, b?: unknown, c?: unknown): ServerResponse {
  return passes(this) ? (base(this).end as Through).call(this, a, b, c) : this;
}

function flushHeaders(this: Sealed): void {
  if (passes(this)) base(this).flushHeaders.call(this);
}

/**
 * Sends a refusal: the status, a challenge with 401, and nothing else that anybody had set.
 *
 * A sealed response stays deaf to all that is written afterwards.
 */
export function refuse(response: ServerResponse, status: 401 | 403, challenge: string): void {
  const sealed = (response as Sealed)[SEAL];
  if (sealed !== undefined) for (let s: Seal | undefined = sealed; s; s = s.outer) s.refused = true;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  response.statusCode = status;
  response.statusMessage = STATUS_CODES[status]!;
  response.setHeader('cache-control', 'no-store');
  response.setHeader('content-length', '0');
  if (status === 401) response.setHeader('www-authenticate', challenge);
  if (sealed === undefined) response.end();
  else finish(response as Sealed);
}

/** Node's `end` asks `this` for its `writeHead`, so that one has to be Node's again before. */
function finish(response: Sealed): void {
  const { writeHead: original, end: last } = base(response);
  response.writeHead = original;
  (last as Through).call(response);
  response.writeHead = writeHead;
}
