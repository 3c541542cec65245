import { expect, it } from 'vitest';
import { parseServices, serviceName } from './services.ts';

const FILE = `
# Network services
ssh\t\t22/tcp\t\t\t# remote login
domain 53/tcp
domain 53/udp nameserver
sctpthing 9/sctp
odd 70000/tcp
nothing
http 8000/tcp
www2 8000/tcp web
`;

it('reads names, aliases and both protocols', () => {
  const { byName } = parseServices(FILE);
  expect(byName.get('ssh')).toEqual([{ port: 22, protocol: 'tcp' }]);
  expect(byName.get('domain')?.map((entry) => entry.protocol)).toEqual(['tcp', 'udp']);
  expect(byName.get('nameserver')).toEqual([{ port: 53, protocol: 'udp' }]);
});

it('passes over other protocols and lines that are none', () => {
  const { byName } = parseServices(FILE);
  for (const name of ['sctpthing', 'odd', 'nothing', '#']) expect(byName.has(name), name).toBe(false);
});

it('lets the file decide, and knows the usual names without one', () => {
  expect(parseServices(FILE).byName.get('http')).toEqual([{ port: 8000, protocol: 'tcp' }]);
  expect(parseServices(FILE).byName.get('mysql')).toEqual([{ port: 3306, protocol: 'tcp' }]);
  expect(parseServices('').byName.get('http')).toEqual([{ port: 80, protocol: 'tcp' }]);
});

it('names ports: the first line that has them', () => {
  expect(serviceName(parseServices(FILE), 8000, 'tcp')).toBe('http');
  expect(serviceName(parseServices(''), 22, 'tcp')).toBe('ssh');
  expect(serviceName(parseServices(''), 22, 'udp')).toBeUndefined();
});
