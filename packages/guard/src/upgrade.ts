// Upgrades: who decides about the socket of one, and that nobody writes to it before.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Gate } from './gate.ts';
import type { Finding } from './judge.ts';
import { ambiguity } from './plain.ts';

/** Lets the listeners have an upgrade, or refuses it; where the framework decides by its routes, the socket is sealed until then. */
export function upgrade(
  gate: Gate | undefined,
  request: IncomingMessage,
  socket: Duplex,
  go: () => void,
): void {
  const target = request.url ?? '';
  const { challenge } = gate?.judge ?? { challenge: 'Bearer' };
  const log = (found: NonNullable<Finding>) => gate?.judge.refusal(request.method, target, found) ?? 401;
  const refuse = (found: NonNullable<Finding>) => answer(socket, log(found), challenge);
  const ignore = () => undefined;
  socket.on('error', ignore);
  const unclear = request.method === 'CONNECT' ? 'upgrade' : ambiguity(request, target);
  if (gate === undefined || unclear !== undefined) {
    refuse({ reason: unclear ?? 'upgrade' });
    return;
  }
  const pass = () => {
    socket.off('error', ignore);
    go();
  };
  if (gate.ask === undefined) {
    if (gate.takesUpgrades?.() === false) {
      refuse({ reason: 'upgrade' });
      return;
    }
    sealSocket(socket, () => {
      refuse({ reason: 'upgrade' });
      // Whoever wrote would read as well, what the client sends blindly.
      socket.destroy();
    });
    pass();
    return;
  }
  const decide = (found: Finding) => {
    if (found !== undefined) refuse(found);
    else if (!socket.destroyed) pass();
  };
  const found = gate.opens?.(request) === true ? undefined : gate.ask(request);
  if (found instanceof Promise) void found.then(decide);
  else decide(found);
}

/** Nobody reads from the socket any more, so that Node would never learn that the client has gone. */
function answer(socket: Duplex, status: 401 | 403, challenge: string): void {
  const reason = status === 403 ? 'Forbidden' : 'Unauthorized';
  const header = status === 401 ? `WWW-Authenticate: ${challenge}\r\n` : '';
  socket.end(`HTTP/1.1 ${status} ${reason}\r\n${header}Content-Length: 0\r\nConnection: close\r\n\r\n`, () =>
    socket.destroy(),
  );
}

const HELD = Symbol('moat held');
interface Held {
  release(): void;
  refuse(status: 401 | 403, challenge: string): void;
}
type WithHeld = { [HELD]?: Held };

/** Nothing goes out on the socket before the framework's gate has let the request in. */
function sealSocket(socket: Duplex, onWrite: () => void): void {
  const { write, end } = socket;
  const sealed = socket as Duplex & WithHeld;
  // Fastify hands the upgrades of its second server (the other address of localhost) to its first one.
  if (sealed[HELD] !== undefined) return;
  const release = () => {
    delete sealed[HELD];
    socket.write = write;
    socket.end = end;
  };
  const last = (send: () => void) => {
    release();
    send();
    socket.on('error', () => undefined);
    socket.write = () => true;
    socket.end = () => socket;
  };
  sealed[HELD] = { release, refuse: (status, challenge) => last(() => answer(socket, status, challenge)) };
  socket.write = () => {
    last(onWrite);
    return true;
  };
  socket.end = () => {
    last(onWrite);
    return socket;
  };
}

/** Lets the framework write to the socket of an upgrade that its gate has decided about. */
export function releaseSocket(request: IncomingMessage): void {
  (request.socket as WithHeld | null)?.[HELD]?.release();
}

/** Refuses an upgrade that the framework's gate has decided about; what the framework answers itself is dropped. */
export function refuseSocket(request: IncomingMessage, status: 401 | 403, challenge: string): void {
  (request.socket as WithHeld | null)?.[HELD]?.refuse(status, challenge);
}
