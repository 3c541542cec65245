// Private pool: vitest's worker processes, each in a private network of its own, so that test files may run side by side.
import { ForksPoolWorker } from 'vitest/node';
import { insideEnvironment, insideWords, privateNetwork } from './private-network.mjs';

/** A forked worker; what its tests do to namespaces, /run, /etc and /var/lib no other file sees. */
class PrivateWorker extends ForksPoolWorker {
  name = 'private';

  constructor(options) {
    super(options);
    const network = privateNetwork();
    if (network.kind === 'none') throw new Error(`${network.reason}; ${network.remedy}`);
    const { command, args } = insideWords(network, process.execPath);
    this.program = command;
    this.execArgv = [...args, ...this.execArgv];
    this.env = insideEnvironment(this.env);
  }

  start() {
    // Forks are made of process.execPath; there is no other way to say of what. It is read before anything is awaited.
    const node = process.execPath;
    process.execPath = this.program;
    try {
      return super.start();
    } finally {
      process.execPath = node;
    }
  }
}

export const privatePool = {
  name: 'private',
  createPoolWorker: (options) => new PrivateWorker(options),
};
