// Logins without sshd, for where there is no root to run one: one process for each connection, a shell line each time.
//
//   node login-main.mjs server PORT    accepts connections, hands each to a process of its own
//   node login-main.mjs client HOST PORT    lines of JSON in, lines of JSON out
//
// As with sshd, the process that holds the connection is an ancestor of every command that runs through it. Whoever
// connects may do everything: this must only ever run in a lab.
import { fork, spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const [role, ...rest] = process.argv.slice(2);
if (role === 'server') serve(Number(rest[0]));
else if (role === 'session') process.on('message', (_, socket) => session(socket));
else talk(rest[0], Number(rest[1]));

function serve(port) {
  process.title = 'sshd';
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    const child = fork(fileURLToPath(import.meta.url), ['session']);
    // The child has the connection then, and this process closes its copy.
    child.send('connection', socket);
    socket.on('error', () => {});
  });
  server.listen(port, '::', () => console.log('ready'));
  process.stdin.on('end', () => process.exit()).resume();
}

function session(socket) {
  process.title = 'sshd';
  socket.on('close', () => process.exit());
  socket.on('error', () => process.exit());
  createInterface({ input: socket }).on('line', (text) => {
    const { id, line } = JSON.parse(text);
    const child = spawn('sh', ['-c', `exec 2>&1; ${line}`], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.on('close', (code) => socket.write(`${JSON.stringify({ id, code, output })}\n`));
  });
  socket.resume();
}

function talk(host, port) {
  const socket = connect({ host, port });
  socket.on('connect', () => console.log(JSON.stringify({ id: 0, code: 0, output: '' })));
  socket.on('error', (error) => {
    console.log(JSON.stringify({ id: 0, code: 255, output: error.message }));
    process.exit();
  });
  socket.on('close', () => process.exit());
  socket.pipe(process.stdout);
  process.stdin.pipe(socket);
}
