/** The line for Nagios, and the orders of `status`. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { nagiosCheck, nagiosUnknown } from '../../src/commands/nagios.ts';
import { statusText } from '../../src/commands/status-text.ts';
import { isOpen, SORT_KEYS, sorted } from '../../src/commands/status-view.ts';
import { Failure } from '../../src/errors.ts';
import { WELL } from './port-status.ts';

const drops = (packets: number) => [{ direction: 'from-guest' as const, reason: 'arp-spa', packets, bytes: 0 }];
const damaged = { ...WELL, name: 'vif2.0', state: 'damaged' as const, guest: { domid: 2, name: 'a|b\u001b[2J\nx' } };
const observed = { ...WELL, name: 'vif3.0', observed: true, unfiltered: 'observe' as const, guest: undefined };
const unlocked = { ...WELL, name: 'vif4.0', mode: 'unrestricted' as const, unfiltered: 'unlocked' as const };
const unknown = { state: 'unmanaged' as const, mode: undefined, policyMode: undefined, since: undefined };
const stranger = { ...WELL, ...unknown, name: 'vif5.0', unfiltered: 'unmanaged' as const };
const unrestricted = { ...WELL, name: 'vif6.0', mode: 'unrestricted' as const, unfiltered: 'no_ip' as const };
const overdue = { ...unlocked, name: 'vif7.0', overdue: '2026-01-01T12:00:00.000Z' };
const closed = { ...WELL, ...unknown, name: 'vif8.0' };

test('OK, WARNING, CRITICAL, UNKNOWN, each with the status that monitors know', () => {
  assert.deepEqual(nagiosCheck([WELL, { ...unrestricted, drops: drops(7) }]), {
    text: 'VIF-BRIDGE OK - 2 of 2 ports of guests are filtered | managed=2 open=0 damaged=0 dropped=7c\n',
    status: 0,
  });
  assert.deepEqual(nagiosCheck([]).status, 0);
  assert.deepEqual(nagiosCheck([WELL, observed, unlocked, stranger]), {
    text: 'VIF-BRIDGE WARNING - not filtered: vif3.0, vif4.0 (web1), vif5.0 (web1) | managed=3 open=3 damaged=0 dropped=0c\n',
    status: 1,
  });
  assert.deepEqual(nagiosCheck([damaged, stranger]), {
    text: 'VIF-BRIDGE CRITICAL - damaged: vif2.0 (a/b?[2J x); not filtered: vif5.0 (web1) | managed=0 open=1 damaged=1 dropped=0c\n',
    status: 2,
  });
  assert.deepEqual(nagiosCheck([WELL, overdue, closed]), {
    text: 'VIF-BRIDGE WARNING - not filtered: vif7.0 (web1, overdue); closed: vif8.0 (web1) | managed=2 open=1 damaged=0 dropped=0c\n',
    status: 1,
  });
  assert.deepEqual(nagiosUnknown(new Failure('tool', 'nft | failed', { hint: 'x' })), {
    text: 'VIF-BRIDGE UNKNOWN - nft / failed (x)\n',
    status: 3,
  });
});

test('a line of many names is short', () => {
  const many = Array.from({ length: 9 }, (_, index) => ({ ...observed, name: `vif${index}.0` }));
  assert.match(nagiosCheck(many).text, /vif0\.0, vif1\.0, vif2\.0, vif3\.0, vif4\.0 and 4 more \|/);
});

test('orders', () => {
  const ports = [
    { ...WELL, name: 'vif10.0', guest: { domid: 10, name: 'b' }, since: '2026-01-02T00:00:00.000Z', drops: drops(1) },
    { ...damaged, guest: undefined, since: '2026-01-01T00:00:00.000Z', drops: drops(9) },
    { ...observed, guest: { domid: 3, name: 'a' }, since: undefined },
  ];
  const names = (by: string): string[] => sorted(ports, by).map(({ name }) => name);
  assert.deepEqual(names('name'), ['vif2.0', 'vif3.0', 'vif10.0']);
  assert.deepEqual(names('guest'), ['vif3.0', 'vif10.0', 'vif2.0']);
  assert.deepEqual(names('drops'), ['vif2.0', 'vif10.0', 'vif3.0']);
  assert.deepEqual(names('since'), ['vif10.0', 'vif2.0', 'vif3.0']);
  assert.deepEqual(names('state'), ['vif2.0', 'vif3.0', 'vif10.0']);
  assert.deepEqual(SORT_KEYS, ['name', 'guest', 'drops', 'since', 'state']);
  assert.throws(() => names('size'), /--sort "size" is none of name guest drops since state/);
  assert.throws(() => names('toString'), /--sort/);
});

test('what is open is marked loudly, and nothing else is', () => {
  for (const port of [observed, unlocked, stranger, overdue]) {
    assert.ok(isOpen(port));
    assert.match(statusText([port], false), /NOT FILTERED/, port.name);
  }
  for (const port of [WELL, unrestricted, closed])
    assert.doesNotMatch(statusText([port], false), /NOT FILTERED/, port.name);
});

test('what should have ended, and nobody has ended, is said with the time and with what to do', () => {
  const text = statusText([overdue], false);
  assert.match(text, /^ {2}NOT FILTERED: unlocked, overdue since 2026-01-01T12:00:00Z; vif-bridge reapply vif7\.0$/m);
  assert.match(text, /^ {2}mode unlocked still, and locked by the policy, since /m);
});

test('mode, since when, what it may do besides, link', () => {
  const text = statusText([{ ...WELL, allow: ['vrrp'], link: 'no-carrier' }], false);
  assert.match(text, /^vif1\.0 .* br0 {2}no carrier$/m);
  assert.match(text, /^ {2}mode locked, since 2026-01-01T00:00:00Z$/m);
  assert.match(text, /^ {2}allows besides vrrp$/m);
  assert.match(statusText([{ ...WELL, up: false, link: 'down' }], false), /br0 {2}down$/m);
});
