// A DNS server for one machine of the lab: answers over UDP what it was told last, for every client.
//
//   node name-server-main.mjs    lines of JSON in: {"name", "a": [], "aaaa": [], "ttl", "says"}; says "ready", and "ok" to each
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';

/** `says` → RCODE (RFC 1035 §4.1.1). `silent` answers nothing. */
const CODES = { ok: 0, servfail: 2, nxdomain: 3, refused: 5 };
const TYPES = { 1: 'a', 28: 'aaaa' };

/** Name in lower case → what it is. */
const zone = new Map();

const socket = createSocket({ type: 'udp6', ipv6Only: false });
socket.on('message', (query, from) => {
  const answer = answerTo(query);
  if (answer !== undefined) socket.send(answer, from.port, from.address);
});
socket.bind(53, '::', () => console.log('ready'));
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const record = JSON.parse(line);
    zone.set(record.name, record);
    console.log('ok');
  })
  .on('close', () => process.exit());

function answerTo(query) {
  const labels = [];
  let at = 12;
  for (let length = query[at]; length > 0; length = query[at]) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const question = query.subarray(12, at + 5);
  const type = query.readUInt16BE(at + 1);
  const { says = 'nxdomain', ttl = 60, ...addresses } = zone.get(labels.join('.').toLowerCase()) ?? {};
  if (says === 'silent') return undefined;
  const records = says === 'ok' ? (addresses[TYPES[type]] ?? []).map((text) => record(type, ttl, text)) : [];
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  // An answer, recursion wanted and offered.
  header.writeUInt16BE(0x8180 | CODES[says], 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, question, ...records]);
}

function record(type, ttl, text) {
  const data = type === 1 ? Buffer.from(text.split('.').map(Number)) : ipv6(text);
  const head = Buffer.alloc(12);
  // The name is that of the question (RFC 1035 §4.1.4).
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(ttl, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

/** Sixteen bytes of an address with at most one `::` and no dots. */
function ipv6(text) {
  const [front = '', back] = text.split('::');
  const groups = (part) => (part === '' ? [] : part.split(':').map((each) => Number.parseInt(each, 16)));
  const [first, last] = [groups(front), groups(back ?? '')];
  const all = [...first, ...Array(8 - first.length - last.length).fill(0), ...last];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]));
}
