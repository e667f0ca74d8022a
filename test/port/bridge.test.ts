import assert from 'node:assert/strict';
import { endianness } from 'node:os';
import test from 'node:test';
import type { Device, PortKind } from '../../src/effects/sysfs.ts';
import { Failure } from '../../src/errors.ts';
import { bridgeBroadcasts, chooseBridge, uplink } from '../../src/port/bridge.ts';
import { guestGroup } from '../../src/port/guest-group.ts';
import { device } from '../commands/fake-host.ts';

const bridge = (name: string, ifindex = 2): Device => device(name, { ifindex, isBridge: true });

function choose(asked: string | undefined, devices: readonly Device[]): string {
  return chooseBridge(
    asked,
    (name) => devices.find((one) => one.name === name),
    () => devices.map(({ name }) => name),
  ).name;
}

function refused(asked: string | undefined, devices: readonly Device[]): Failure {
  try {
    choose(asked, devices);
  } catch (error) {
    assert.ok(error instanceof Failure);
    return error;
  }
  throw new Error(`${asked} was accepted`);
}

test('the bridge that was asked for is taken, whatever else is there', () => {
  assert.equal(choose('br1', [bridge('br0', 2), bridge('br1', 3)]), 'br1');
  assert.equal(choose('xenbr0', [bridge('eth0', 2), bridge('xenbr0', 3)]), 'xenbr0');
});

test('a missing xenbr<n> is eth<n> where that is a bridge', () => {
  assert.equal(choose('xenbr7', [bridge('eth0'), bridge('eth7', 3)]), 'eth7');
});

const MISSING: readonly (readonly [what: string, asked: string, devices: readonly Device[]])[] = [
  ['is not there', 'br1', [bridge('br0')]],
  ['is xenbr<n>, and eth<n> is no bridge', 'xenbr0', [device('eth0')]],
  ['is xenbr<n>, and only another eth is a bridge', 'xenbr0', [bridge('eth1')]],
  ['only ends in the same number', 'other0', [bridge('eth0')]],
];

for (const [what, asked, devices] of MISSING) {
  test(`a bridge that ${what} is an error in the words of stock`, () => {
    const { code, message, hint } = refused(asked, devices);
    assert.deepEqual(
      [code, message, hint],
      ['missing', `Could not find bridge device ${asked}`, 'make the bridge, or correct bridge='],
    );
  });
}

test('a device that is no bridge is bad input: a guest joined to it would be on another network', () => {
  const { code, message } = refused('eth0', [device('eth0'), bridge('br0')]);
  assert.deepEqual([code, message], ['input', 'bridge=eth0 is not a bridge']);
});

test('without a wish it is the bridge that was made first, whatever the order of names', () => {
  assert.equal(choose(undefined, [device('eth0', { ifindex: 1 }), bridge('a', 12), bridge('z', 5)]), 'z');
});

test('without a wish and without a bridge it is an error in the words of stock', () => {
  const { code, message } = refused(undefined, [device('eth0')]);
  assert.deepEqual([code, message], ['missing', 'Could not find bridge, and none was specified']);
});

test('without a wish a device that vanishes while the bridges are looked for is none', () => {
  const names = ['gone', 'br0'];
  const read = (name: string): Device | undefined => (name === 'br0' ? bridge('br0') : undefined);
  assert.equal(chooseBridge(undefined, read, () => names).name, 'br0');
});

const HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';

/** Numbers as this host's kernel prints them: the four bytes of an address, as they lie in memory, as one number. */
function hex(address: string): string {
  const bytes = address.split('.').map(Number);
  const ordered = endianness() === 'LE' ? bytes.reverse() : bytes;
  return ordered.map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join('');
}

/** A line of /proc/net/route, padded as the kernel pads it (net/ipv4/fib_trie.c: fib_route_seq_show). */
function route(dev: string, network: string, mask: string, flags = '0001'): string {
  return `${dev}\t${hex(network)}\t${hex('0.0.0.0')}\t${flags}\t0\t0\t0\t${hex(mask)}\t0\t0\t0`.padEnd(127);
}

const broadcasts = (...lines: string[]): string[] => bridgeBroadcasts(`${[HEAD, ...lines].join('\n')}\n`, 'xenbr0');

test('what the kernel printed for 192.0.2.0/24 on a little-endian host is read right', {
  skip: endianness() !== 'LE',
}, () => {
  assert.deepEqual(broadcasts('xenbr0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0   '), ['192.0.2.255']);
});

const SUBNETS: readonly (readonly [network: string, mask: string, broadcast: string | undefined])[] = [
  ['192.0.2.0', '255.255.255.0', '192.0.2.255'],
  ['10.0.0.0', '255.0.0.0', '10.255.255.255'],
  ['198.51.100.64', '255.255.255.192', '198.51.100.127'],
  ['198.51.100.4', '255.255.255.252', '198.51.100.7'],
  ['128.0.0.0', '128.0.0.0', '255.255.255.255'],
  ['198.51.100.4', '255.255.255.254', undefined],
  ['198.51.100.4', '255.255.255.255', undefined],
  ['0.0.0.0', '0.0.0.0', undefined],
];

for (const [network, mask, broadcast] of SUBNETS) {
  test(`the broadcast of ${network} with mask ${mask} is ${broadcast ?? 'none'}`, () =>
    assert.deepEqual(broadcasts(route('xenbr0', network, mask)), broadcast === undefined ? [] : [broadcast]));
}

test('each subnet of the bridge counts once, and no other', () => {
  assert.deepEqual(
    broadcasts(
      route('xenbr0', '192.0.2.0', '255.255.255.0'),
      route('xenbr0', '192.0.2.0', '255.255.255.0'),
      route('xenbr0', '10.1.0.0', '255.255.0.0'),
      route('xenbr01', '10.2.0.0', '255.255.0.0'),
      route('eth0', '10.3.0.0', '255.255.0.0'),
    ),
    ['192.0.2.255', '10.1.255.255'],
  );
});

test('a network behind a gateway, and a route that is down, are not the subnet of the bridge', () => {
  assert.deepEqual(
    broadcasts(
      route('xenbr0', '10.1.0.0', '255.255.0.0', '0003'),
      route('xenbr0', '10.2.0.0', '255.255.0.0', '0000'),
      route('xenbr0', '10.3.0.0', '255.255.0.0', '0201'),
    ),
    ['10.3.255.255'],
  );
});

test('a host without IPv4 routes, and lines that are cut, give none', () => {
  assert.deepEqual(bridgeBroadcasts('', 'xenbr0'), []);
  assert.deepEqual(broadcasts('xenbr0', 'xenbr0\t000200C0', ''), []);
});

const NOTHING: Omit<PortKind, 'name' | 'ifindex'> = { group: 0, netback: false, hardware: false };

/** The uplink among ports, in the order of their indices. */
function uplinkOf(ports: Readonly<Record<string, Partial<PortKind>>>): string | undefined {
  const kinds = Object.entries(ports).map(([name, kind], index) => ({ ...NOTHING, name, ifindex: index + 2, ...kind }));
  return uplink(Object.keys(ports).reverse(), (name) => {
    assert.doesNotMatch(name, /^vif/, 'looked at for nothing');
    return kinds.find((kind) => kind.name === name);
  });
}

test('the uplink is no port of a guest, whatever name it has', () => {
  const guests = { 'vif1.0': {}, 'vif1.0-emu': {}, web0: { group: guestGroup(7) }, stock0: { netback: true } };
  assert.equal(uplinkOf({ ...guests, up0: {} }), 'up0');
  assert.equal(uplinkOf(guests), undefined);
  assert.equal(uplinkOf({}), undefined);
});

test('the uplink is one with hardware, and of several the oldest', () => {
  assert.equal(uplinkOf({ tap0: {}, eth1: { hardware: true }, eth2: { hardware: true } }), 'eth1');
  assert.equal(uplinkOf({ tap0: {}, veth1: {} }), 'tap0');
});

test('an uplink that goes meanwhile, with a name that no batch can bear, or among too many, is none', () => {
  assert.equal(
    uplink(['eth0'], () => undefined),
    undefined,
  );
  assert.equal(uplinkOf({ 'a#b': {} }), undefined);
  assert.equal(uplinkOf(Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`port${index}`, {}]))), undefined);
});
