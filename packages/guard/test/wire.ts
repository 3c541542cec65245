// The wire: sends bytes as they are over a raw socket, and gives back the bytes of the answer.
import { connect, type Socket } from 'node:net';

/** Whether the bytes hold a whole answer to a request of that method. */
function isWhole(bytes: string, method: string): boolean {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const status = Number(bytes.slice(9, 12));
  if (status === 100) return isWhole(bytes.slice(end + 4), method);
  if (method === 'HEAD' || status === 204 || status === 304 || status === 101) return true;
  const head = bytes.slice(0, end).toLowerCase();
  const length = /\r\ncontent-length: *(\d+)/.exec(head)?.[1];
  if (length !== undefined) return bytes.length >= end + 4 + Number(length);
  return head.includes('\r\ntransfer-encoding: chunked') && bytes.endsWith('0\r\n\r\n');
}

/** One client, which keeps its connection as long as the server does. */
export interface Wire {
  /** @param last reads until the server closes, or is silent for a while: for what may be two requests */
  exchange(bytes: string, method: string, last: boolean): Promise<string>;
  close(): void;
}

const SILENT = 150;

/** Resolves when the server has answered a request that was sent now: what came before it on other connections was read. */
function turn(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
    socket.on('data', () => socket.destroy());
    socket.write('GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  });
}

/**
 * A client of a port on 127.0.0.1 that takes a server for silent after so many milliseconds, and only when the server
 * answers others by then: a busy machine is not silence.
 */
export function wire(port: number, patience: number = SILENT): Wire {
  let socket: Socket | undefined;
  const drop = () => {
    socket?.destroy();
    socket = undefined;
  };
  return {
    close: drop,
    exchange: (bytes, method, last) =>
      new Promise((resolve) => {
        const fresh = socket === undefined;
        const own = socket ?? connect({ port, host: '127.0.0.1', noDelay: true });
        socket = own;
        let answer = '';
        let ended = false;
        const done = (keep: boolean) => {
          if (ended) return;
          ended = true;
          clearTimeout(timer);
          own.removeAllListeners('data');
          own.removeAllListeners('close');
          if (!keep || /\r\nconnection: close/i.test(answer)) drop();
          resolve(answer);
        };
        const silent = async () => {
          const { length } = answer;
          await turn(port);
          await turn(port);
          if (answer.length === length) done(false);
          else if (!ended) timer.refresh();
        };
        const timer = setTimeout(() => void silent(), patience);
        if (fresh) own.on('error', () => undefined);
        own.on('data', (chunk) => {
          answer += chunk.toString('latin1');
          if (!last && isWhole(answer, method)) done(!answer.startsWith('HTTP/1.1 101'));
          else timer.refresh();
        });
        own.on('close', () => done(false));
        own.write(bytes, 'latin1');
      }),
  };
}
