// Servers: the one place through which all of a server's events go, whoever listens and since when.
import { channel } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { type finder, UPGRADE } from './declaration.ts';
import type { Gate } from './gate.ts';
import { asksForMethod, pathOf } from './plain.ts';
import { upgrade } from './upgrade.ts';

/** A server that a guard can stand before. */
export type GuardedServer = HttpServer | HttpsServer;

/** Whether a value is such a server. A server of HTTP/2 is none: its streams go past the events that can be guarded. */
export function isServer(value: unknown): value is GuardedServer {
  return value instanceof HttpServer || value instanceof HttpsServer;
}

/** What a gate `opens` by declarations alone, each for one literal path. */
export function publicUpgrades(find: ReturnType<typeof finder>): NonNullable<Gate['opens']> {
  return ({ url = '' }) => find(UPGRADE, pathOf(url)) !== undefined && !asksForMethod(url);
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

const gates: Gate[] = [];
const watched = new WeakSet<object>();
let watching = false;
const byListener = new WeakMap<object, Gate>();

/**
 * Guards the upgrades of the servers that serve an application, wherever they were made. Node tells of every connection
 * before it reads a request from it, which is in time.
 *
 * A server that is known neither by its listener nor by an earlier request is taken to serve the only guarded
 * application of the process; where there are several, its upgrades are refused, unless one of them decides by its routes.
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

/** Of several applications one may decide about an upgrade, when it finds a route for it; nobody else can. */
const SEALED: Gate = { judge: { refusal: () => 401, challenge: 'Bearer' } };

function watchConnections(): void {
  if (!watching) channel('net.server.socket').subscribe(onConnection);
  watching = true;
}

/** Notes by a request which server serves the application of the gate. */
export function learnServer(request: IncomingMessage, gate: Gate): void {
  const server = (request.socket as { server?: WithGate } | null)?.server;
  if (server !== undefined && server !== null && server[GATE] === undefined) server[GATE] = gate;
}

/** A server of HTTP/2 may take HTTP/1.1 as well, and with it upgrades. Its streams are refused by who gets their requests. */
function isWatchable(server: unknown): server is GuardedServer {
  return isServer(server) || (server instanceof EventEmitter && server.listenerCount('request') > 0);
}

function onConnection(message: unknown): void {
  const { server } = (message as { socket: { server?: unknown } }).socket;
  if (!isWatchable(server) || watched.has(server)) return;
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
    return (
      known ??
      (gates.length === 1 ? gates[0] : gates.some(({ ask }) => ask === undefined) ? SEALED : undefined)
    );
  });
}
