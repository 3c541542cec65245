// The states of services: as systemd prints them, and as links and scripts have them where it does not run.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseUnits, serviceStates } from './services.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'moat-services-'));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function put(file: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), '');
}

test('systemd prints a paragraph for each unit', () => {
  const text = [
    'Id=ufw.service\nActiveState=active\nUnitFileState=enabled',
    'Id=firewalld.service\nActiveState=inactive\nUnitFileState=',
    'Id=shorewall.service\nActiveState=failed\nUnitFileState=generated',
    'Id=nftables.service\nActiveState=active\nUnitFileState=masked',
  ].join('\n\n');
  expect(parseUnits(`${text}\n`, ['ufw', 'firewalld', 'shorewall', 'nftables'])).toEqual([
    { name: 'ufw', atBoot: true, active: true },
    { name: 'firewalld', atBoot: false, active: false },
    { name: 'shorewall', atBoot: true, active: false },
    { name: 'nftables', atBoot: false, active: true },
  ]);
});

test('without systemd: links of targets, scripts of System V, runlevels of OpenRC; a masked unit is not started', async () => {
  put('etc/systemd/system/multi-user.target.wants/firewalld.service');
  put('etc/systemd/system/sysinit.target.wants/nftables.service');
  symlinkSync('/dev/null', join(root, 'etc/systemd/system/nftables.service'));
  put('etc/systemd/system/sockets.target.wants/ssh.socket');
  put('etc/rc2.d/S01shorewall');
  put('etc/rc0.d/K01csf');
  put('etc/runlevels/boot/iptables');
  const names = ['firewalld', 'nftables', 'ssh.socket', 'shorewall', 'csf', 'iptables', 'ufw'];
  const states = await serviceStates(names, root);
  expect(states.filter(({ atBoot }) => atBoot).map(({ name }) => name)).toEqual([
    'firewalld',
    'ssh.socket',
    'shorewall',
    'iptables',
  ]);
  expect(states.every(({ active }) => active === undefined)).toBe(true);
});
