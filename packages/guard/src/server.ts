// Servers: the one place through which all of a server's events go, whoever listens and since when.
import { channel } from 'node:diagnostics_channel';
import { Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { Finding, Judge } from './judge.ts';
import { ambiguity } from './plain.ts';

/** A server that a guard can stand before. */
export type GuardedServer = HttpServer | HttpsServer;

/** Whether a value is such a server. A server of HTTP/2 is none: its streams go past the events that can be guarded. */
export function isServer(value: unknown): value is GuardedServer {
  return value instanceof HttpServer || value instanceof HttpsServer;
}

/** What decides about a server's requests and upgrades. */
export interface Gate {
  /** Whether the listeners may have the request. Without it they have it. */
  admit?(request: IncomingMessage, response: ServerResponse): boolean | Promise<boolean>;
  /** Asks `authorize` about an upgrade. Without it the framework has to release the socket that the upgrade came on. */
  ask?(request: IncomingMessage): Finding | Promise<Finding>;
  /** Whether the framework takes upgrades at all now; without it that is not known. */
  takesUpgrades?(): boolean;
  readonly judge: Pick<Judge<never>, 'refusal' | 'challenge'>;
}

const GATE = Symbol('moat gate');
type WithGate = { [GATE]?: Gate };

/** Puts a gate before all listeners of a server, those of now and those of later. */
export function stand(server: GuardedServer, gate: Gate): void {
  (server as WithGate)[GATE] = gate;
  watched.add(server);
  takeOver(server, () => gate);
}

type Emit = (this: unknown, event: string | symbol, ...values: unknown[]) => boolean;

function takeOver(server: GuardedServer, gateOf: () => Gate | undefined): void {
  const emit = server.emit as Emit;
  const request = (event: string, asked: IncomingMessage, response: ServerResponse): boolean => {
    const admitted = gateOf()?.admit?.(asked, response) ?? true;
    if (admitted === true) return emit.call(server, event, asked, response);
    if (admitted !== false) {
      void admitted.then((yes) => {
        if (yes && !response.destroyed && asked.socket?.destroyed !== true)
          emit.call(server, event, asked, response);
      });
    }
    return true;
  };
  // Named arguments, and each case a call of its own: this runs for each request, and a list of arguments costs more than the look.
  server.emit = ((event: string | symbol, first: unknown, second: unknown, ...rest: unknown[]): boolean => {
    switch (event) {
      case 'request':
      case 'checkContinue':
      case 'checkExpectation':
        return request(event, first as IncomingMessage, second as ServerResponse);
      case 'upgrade':
      case 'connect':
        upgrade(gateOf(), first as IncomingMessage, second as Duplex, () =>
          emit.call(server, event, first, second, ...rest),
        );
        return true;
      default:
        return emit.call(server, event, first, second, ...rest);
    }
  }) as typeof server.emit;
}

function upgrade(gate: Gate | undefined, request: IncomingMessage, socket: Duplex, go: () => void): void {
  const target = request.url ?? '';
  const refuse = (found: NonNullable<Finding>) => {
    const status = gate?.judge.refusal(request.method, target, found) ?? 401;
    const reason = status === 403 ? 'Forbidden' : 'Unauthorized';
    const challenge = status === 401 ? `WWW-Authenticate: ${gate?.judge.challenge ?? 'Bearer'}\r\n` : '';
    socket.end(`HTTP/1.1 ${status} ${reason}\r\n${challenge}Content-Length: 0\r\nConnection: close\r\n\r\n`);
  };
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
  const found = gate.ask(request);
  if (found instanceof Promise) void found.then(decide);
  else decide(found);
}

const RELEASE = Symbol('moat release');
type WithRelease = { [RELEASE]?: () => void };

/** Nothing goes out on the socket before the framework's gate has let the request in. */
function sealSocket(socket: Duplex, onWrite: () => void): void {
  const { write, end } = socket;
  const sealed = socket as Duplex & WithRelease;
  // Fastify hands the upgrades of its second server (the other address of localhost) to its first one.
  if (sealed[RELEASE] !== undefined) return;
  const release = () => {
    delete sealed[RELEASE];
    socket.write = write;
    socket.end = end;
  };
  const held = () => {
    release();
    onWrite();
    socket.write = (() => true) as Duplex['write'];
  };
  sealed[RELEASE] = release;
  socket.write = (() => {
    held();
    return true;
  }) as Duplex['write'];
  socket.end = (() => {
    held();
    return socket;
  }) as Duplex['end'];
}

/** Lets the framework write to the socket of an upgrade that its gate has decided about. */
export function releaseSocket(request: IncomingMessage): void {
  (request.socket as WithRelease | null)?.[RELEASE]?.();
}

const gates: Gate[] = [];
const watched = new WeakSet<object>();
let watching = false;
const byListener = new WeakMap<object, Gate>();

/**
 * Guards the upgrades of the servers that serve an application, wherever they were made. Node tells of every connection
 * before it reads a request from it, which is in time.
 *
 * A server that is known neither by its listener nor by an earlier request is taken to serve the only guarded
 * application of the process; where there are several, its upgrades are refused.
 */
export function watchServers(gate: Gate): void {
  watchConnections();
  gates.push(gate);
}

/** Notes that a function serves the application of the gate, as listener of whatever server. */
export function isListener(listener: object, gate: Gate): void {
  watchConnections();
  byListener.set(listener, gate);
}

function watchConnections(): void {
  if (!watching) channel('net.server.socket').subscribe(onConnection);
  watching = true;
}

/** Notes by a request which server serves the application of the gate. */
export function learnServer(request: IncomingMessage, gate: Gate): void {
  const server = (request.socket as { server?: WithGate } | null)?.server;
  if (server !== undefined && server !== null && server[GATE] === undefined) server[GATE] = gate;
}

function onConnection(message: unknown): void {
  const server: unknown = (message as { socket?: { server?: unknown } }).socket?.server;
  if (!isServer(server) || watched.has(server)) return;
  watched.add(server);
  takeOver(server, () => {
    const own = server as WithGate;
    const known =
      own[GATE] ??
      server
        .listeners('request')
        .map((each) => byListener.get(each))
        .find(Boolean);
    if (known !== undefined) own[GATE] = known;
    return known ?? (gates.length === 1 ? gates[0] : undefined);
  });
}
