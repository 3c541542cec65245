// The seal: a response that nobody can write to until the guard has released it. What writes before becomes the refusal.
import { ServerResponse, STATUS_CODES } from 'node:http';

const SEAL = Symbol('moat guard');

/** One response's seal. */
export interface Seal {
  /** Whether what is written now goes to the client. */
  released: boolean;
  /** Whether the refusal was sent; all that is written afterwards is dropped. */
  refused: boolean;
  /** Sends the refusal, called once when something writes to the sealed response. */
  readonly onWrite: (response: ServerResponse, target: string) => void;
  /** The target as the client sent it, for the log: what runs may change that of the request. */
  readonly target: string;
  /** The seal of a guard further out, which has to be released as well. */
  readonly outer: Seal | undefined;
  /** What the guard that made it knows of the request. */
  readonly visa: object | undefined;
}

type Sealed = ServerResponse & { [SEAL]?: Seal | undefined };

/**
 * The response that was last asked about, and its seal: the same for all looks of a request that is answered at once.
 * Express changes the prototype of each request and response; V8 gives each a hidden class of its own then, and has to look
 * for a property of theirs anew each time. Whatever writes `SEAL` goes through `put`, so that the two cannot differ.
 */
let last: Sealed | undefined;
let lastSeal: Seal | undefined;

function put(response: Sealed, seal: Seal | undefined): void {
  response[SEAL] = seal;
  last = response;
  lastSeal = seal;
}

/** The seal of a response, if it has one. */
export function sealOf(response: ServerResponse): Seal | undefined {
  if (response === last) return lastSeal;
  last = response;
  lastSeal = (response as Sealed)[SEAL];
  return lastSeal;
}

/**
 * What seals a guard's responses, before anything of the application runs.
 *
 * @param onWrite one function for all responses of a guard: to make one for each costs more than the seal
 */
export function sealer(
  onWrite: Seal['onWrite'],
): (response: ServerResponse, target: string, visa?: object) => Seal {
  hold();
  return (response, target, visa) => {
    const made: Seal = { released: false, refused: false, onWrite, target, outer: sealOf(response), visa };
    put(response, made);
    return made;
  };
}

/** Whether the write may go through; sends the refusal if not. */
function passes(response: ServerResponse, first: Seal): boolean {
  for (let each: Seal | undefined = first; each !== undefined; each = each.outer) {
    if (each.refused) return false;
    if (each.released) continue;
    each.refused = true;
    each.onWrite(response, each.target);
    return false;
  }
  return true;
}

const { writeHead, write, end, flushHeaders, writeContinue, writeProcessing, writeEarlyHints } =
  ServerResponse.prototype;
/** The methods have overloads; their arguments go through as they came. */
type Through = (this: ServerResponse, ...values: unknown[]) => never;
let held = false;

/**
 * Looks for a seal in each method of Node's responses that writes. `writeHead` is on the way of every header (`end`, `write`
 * and `flushHeaders` call it), but a refusal inside it would let their bodies follow; therefore all are held. In the
 * prototype, so that nobody who takes a method from there comes past it, and no response gets methods of its own.
 */
function hold(): void {
  if (held) return;
  held = true;
  const may = (response: ServerResponse) => {
    const sealed = sealOf(response);
    return sealed === undefined || passes(response, sealed);
  };
  Object.assign(ServerResponse.prototype, {
    writeHead(this: ServerResponse, a: unknown, b: unknown, c: unknown) {
      return may(this) ? (writeHead as Through).call(this, a, b, c) : this;
    },
    write(this: ServerResponse, a: unknown, b: unknown, c: unknown) {
      return may(this) ? (write as Through).call(this, a, b, c) : true;
    },
    end(this: ServerResponse, a: unknown, b: unknown, c: unknown) {
      return may(this) ? (end as Through).call(this, a, b, c) : this;
    },
    flushHeaders(this: ServerResponse) {
      if (may(this)) flushHeaders.call(this);
    },
    writeContinue(this: ServerResponse, done: unknown) {
      if (may(this)) (writeContinue as Through).call(this, done);
    },
    writeProcessing(this: ServerResponse) {
      if (may(this)) writeProcessing.call(this);
    },
    writeEarlyHints(this: ServerResponse, hints: unknown, done: unknown) {
      if (may(this)) (writeEarlyHints as Through).call(this, hints, done);
    },
  });
}

/**
 * Sends a refusal: the status, a challenge with 401, and nothing else that anybody had set.
 *
 * A sealed response stays deaf to all that is written afterwards.
 */
export function refuse(response: ServerResponse, status: 401 | 403, challenge: string): void {
  const sealed = sealOf(response);
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
  else finish(response, sealed);
}

/** Node's `end` asks `this` for its `writeHead`: it gets Node's own, not that of a middleware that would add headers. */
function finish(response: ServerResponse, sealed: Seal): void {
  const own = Object.getOwnPropertyDescriptor(response, 'writeHead');
  put(response, undefined);
  response.writeHead = writeHead;
  (end as Through).call(response);
  if (own === undefined) Reflect.deleteProperty(response, 'writeHead');
  else Object.defineProperty(response, 'writeHead', own);
  put(response, sealed);
}
