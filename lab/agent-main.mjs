// Agent program: sits in a namespace, takes requests as JSON lines and dials, listens and probes there.
// Plain JavaScript so that starting one costs no more than starting Node. `agent.ts` is the other end.
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const title = process.argv[2];
// Also sets the name that ps and ss show (the kernel keeps 15 characters).
if (title) process.title = title;

const RESULTS = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'refused',
  ETIMEDOUT: 'timeout',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EACCES: 'unreachable',
  EPERM: 'unreachable',
};

const resultOf = (error) => RESULTS[error.code] ?? 'unreachable';

/**
 * Decides after `ms`, but not before what came in meanwhile is read: on a busy machine the answer may be here when the
 * timer is looked at, and timers are looked at first. Gives what calls it off.
 */
function deadline(ms, decide) {
  let off = false;
  const timer = setTimeout(() => setImmediate(() => off || decide()), ms);
  return () => {
    off = true;
    clearTimeout(timer);
  };
}

function dial({ host, port, timeoutMs = 1500, source, send, bytes = 0 }) {
  return new Promise((resolve) => {
    const begun = performance.now();
    let opened = false;
    let data = '';
    const socket = connect({ host, port, ...(source ? { localAddress: source } : {}) });
    const finish = (result, code) => {
      callOff();
      socket.removeAllListeners();
      socket.on('error', () => {});
      socket.destroy();
      resolve({
        result,
        ms: Math.round(performance.now() - begun),
        ...(code ? { code } : {}),
        ...(opened && bytes > 0 ? { data } : {}),
      });
    };
    const callOff = deadline(timeoutMs, () => finish(opened ? 'open' : 'timeout'));
    socket.on('error', (error) =>
      opened ? finish('open', error.code) : finish(resultOf(error), error.code),
    );
    socket.on('connect', () => {
      opened = true;
      if (send) socket.write(send);
      if (bytes === 0) finish('open');
    });
    socket.on('data', (chunk) => {
      data += chunk.toString('latin1');
      if (data.length >= bytes) finish('open');
    });
    socket.on('end', () => finish('open'));
  });
}

function probe({ host, port, timeoutMs = 1500, source, send = 'probe' }) {
  return new Promise((resolve) => {
    const begun = performance.now();
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const finish = (result, more = {}) => {
      callOff();
      socket.removeAllListeners();
      socket.close();
      resolve({ result, ms: Math.round(performance.now() - begun), ...more });
    };
    const callOff = deadline(timeoutMs, () => finish('timeout'));
    socket.on('error', (error) => finish(resultOf(error), { code: error.code }));
    socket.on('message', (data) => finish('open', { data: data.toString('latin1') }));
    // Connected, so that an ICMP error for it comes back as an error of the socket.
    const go = () => socket.connect(port, host, () => socket.send(send));
    if (source) socket.bind(0, source, go);
    else go();
  });
}

const kept = new Map();
let lastKept = 0;

async function keep({ host, port, timeoutMs = 1500, source }) {
  const socket = connect({ host, port, ...(source ? { localAddress: source } : {}) });
  let callOff;
  await new Promise((resolve, reject) => {
    const late = () => reject(new Error(`no connection to ${host} port ${port}: timeout`));
    callOff = deadline(timeoutMs, late);
    socket.once('connect', resolve);
    socket.once('error', reject);
  }).finally(() => callOff());
  const state = { socket, received: '', ended: false };
  socket.on('error', () => {
    state.ended = true;
  });
  socket.on('close', () => {
    state.ended = true;
  });
  socket.on('data', (data) => {
    state.received += data.toString('latin1');
  });
  const key = ++lastKept;
  kept.set(key, state);
  return { key, localPort: socket.localPort, localAddress: socket.localAddress };
}

let lastToken = 0;

/** Does the kept connection still carry data both ways? The other end has to echo. */
function alive({ key, timeoutMs = 1000 }) {
  const state = kept.get(key);
  const token = `<alive ${++lastToken}>`;
  if (!state || state.ended) return false;
  state.socket.write(token);
  return new Promise((resolve) => {
    let late = false;
    const callOff = deadline(timeoutMs, () => {
      late = true;
    });
    const look = () => {
      const carried = state.received.includes(token);
      if (!carried && !state.ended && !late) return setTimeout(look, 5);
      callOff();
      resolve(carried);
    };
    look();
  });
}

function drop({ key }) {
  kept.get(key)?.socket.destroy();
  kept.delete(key);
}

const listeners = new Map();
let lastListener = 0;

async function serve({ port, banner = '', udp = false, host }) {
  const hosts = host ? [host] : ['0.0.0.0', '::'];
  const open = await Promise.all(
    hosts.map((each) => (udp ? serveUdp(each, port) : serveTcp(each, port, banner))),
  );
  const key = ++lastListener;
  listeners.set(key, open);
  return { key };
}

function serveTcp(host, port, banner) {
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    if (banner) socket.write(banner);
    socket.pipe(socket);
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen({ host, port, ipv6Only: true, backlog: 4096 }, () =>
      resolve(() => {
        for (const socket of sockets) socket.destroy();
        return new Promise((closed) => server.close(closed));
      }),
    );
  });
}

function serveUdp(host, port) {
  const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', ipv6Only: host.includes(':') });
  socket.on('message', (data, from) => socket.send(data, from.port, from.address, () => {}));
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.bind(port, host, () => resolve(() => new Promise((closed) => socket.close(closed))));
  });
}

async function unserve({ key }) {
  await Promise.all((listeners.get(key) ?? []).map((close) => close()));
  listeners.delete(key);
}

const probers = new Map();
let lastProber = 0;

function startProber({ targets, everyMs, timeoutMs = 1500 }) {
  const state = targets.map(() => []);
  const pending = new Set();
  const timer = setInterval(() => {
    targets.forEach(({ host, port }, index) => {
      const at = Date.now();
      const attempt = dial({ host, port, timeoutMs }).then(({ result }) => {
        state[index].push([at, result]);
        pending.delete(attempt);
      });
      pending.add(attempt);
    });
  }, everyMs);
  const key = ++lastProber;
  probers.set(key, { state, pending, timer });
  return { key };
}

/** Attempts end in another order than they begin, so they are put in order before changes are looked for. */
async function stopProber({ key }) {
  const { state, pending, timer } = probers.get(key);
  probers.delete(key);
  clearInterval(timer);
  await Promise.all(pending);
  return state.map((attempts) => {
    attempts.sort((a, b) => a[0] - b[0]);
    const counts = { open: 0, refused: 0, timeout: 0, unreachable: 0 };
    for (const [, result] of attempts) counts[result]++;
    const transitions = attempts.filter(([, result], i) => i === 0 || attempts[i - 1][1] !== result);
    return { counts, transitions: transitions.map(([at, result]) => ({ at, result })) };
  });
}

const OPERATIONS = { dial, probe, keep, alive, drop, serve, unserve, startProber, stopProber };

async function answer(line) {
  const { id, operation, ...rest } = JSON.parse(line);
  try {
    const value = await OPERATIONS[operation](rest);
    process.stdout.write(`${JSON.stringify({ id, value: value ?? null })}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ id, error: error.message })}\n`);
  }
}

// The other end went away: so does this one, with all its sockets.
createInterface({ input: process.stdin })
  .on('line', answer)
  .on('close', () => process.exit(0));
process.stdout.on('error', () => process.exit(0));
process.stdout.write('{"id":0,"value":null}\n');
