// What a Docker engine says of containers and networks that come and go (Docker Engine API, GET /events).
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { dockerSocket } from './docker.ts';
import { lineReader } from './followed-program.ts';

/** How often to look whether there is an engine to listen to. */
const AGAIN_MS = 5000;
const FILTERS = JSON.stringify({
  type: ['container', 'network'],
  event: ['start', 'die', 'create', 'destroy', 'connect', 'disconnect', 'remove'],
});

/**
 * Calls `onEvent` for each event of the engine, and once when it begins to listen, until the function that it gives is
 * called. An engine may come later, or come again: it is looked for every five seconds.
 */
export function watchDocker(onEvent: () => void, socketPath = dockerSocket()): () => void {
  let stopped = false;
  let end = (): void => {};
  let timer: NodeJS.Timeout | undefined;
  const again = (): void => {
    if (!stopped) timer = setTimeout(listen, AGAIN_MS);
  };
  function listen(): void {
    if (!existsSync(socketPath)) {
      again();
      return;
    }
    const asked = request(
      {
        socketPath,
        path: `/events?filters=${encodeURIComponent(FILTERS)}`,
        headers: { host: 'docker' },
        agent: false,
      },
      (answer) => {
        answer.setEncoding('utf8');
        answer.on('data', lineReader(onEvent));
        answer.on('error', () => {});
        onEvent();
      },
    );
    end = () => asked.destroy();
    asked.on('error', () => {});
    asked.on('close', () => {
      if (!stopped) onEvent();
      again();
    });
    asked.end();
  }
  listen();
  return () => {
    stopped = true;
    clearTimeout(timer);
    end();
  };
}
