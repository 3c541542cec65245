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

/** A client of a port on 127.0.0.1 that waits so many milliseconds for an answer; where each one has an answer, give more. */
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
        const done = (keep: boolean) => {
          clearTimeout(timer);
          own.removeAllListeners('data');
          own.removeAllListeners('close');
          if (!keep || /\r\nconnection: close/i.test(answer)) drop();
          resolve(answer);
        };
        const timer = setTimeout(() => done(false), patience);
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
