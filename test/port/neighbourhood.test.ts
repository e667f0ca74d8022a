import assert from 'node:assert/strict';
import { endianness } from 'node:os';
import test from 'node:test';
import type { NetTable } from '../../src/effects/sysfs.ts';
import { neighbourhood } from '../../src/port/neighbourhood.ts';

const hex = (address: string): string => {
  const bytes = address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0').toUpperCase());
  return (endianness() === 'LE' ? bytes.reverse() : bytes).join('');
};
const route = (device: string, to: string, gateway: string, mask: string): string =>
  [device, hex(to), hex(gateway), gateway === '0.0.0.0' ? '0001' : '0003', '0', '0', '0', hex(mask), '0'].join('\t');

/** As kernel 6.1 prints them on a host with two bridges. */
const TABLES: Readonly<Record<NetTable, string>> = {
  ip_tables_names: '',
  ip6_tables_names: '',
  route: [
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU',
    route('br0', '0.0.0.0', '10.0.0.254', '0.0.0.0'),
    route('br0', '10.0.0.0', '0.0.0.0', '255.255.255.0'),
    route('br1', '10.9.0.0', '0.0.0.0', '255.255.0.0'),
    route('br1', '10.8.0.0', '10.9.0.7', '255.255.0.0'),
    '',
  ].join('\n'),
  ipv6_route: [
    '00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000003 00000000 00450003      br0',
    'fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001      br0',
    '',
  ].join('\n'),
  fib_trie: [
    'Main:',
    '  +-- 0.0.0.0/0 3 0 4',
    '     |-- 0.0.0.0',
    '        /0 universe UNICAST',
    '     |-- 10.0.0.0',
    '        /24 link UNICAST',
    'Local:',
    '  +-- 0.0.0.0/0 2 0 2',
    '     |-- 10.0.0.1',
    '        /32 host LOCAL',
    '     |-- 10.0.0.255',
    '        /32 link BROADCAST',
    '     |-- 10.9.0.1',
    '        /32 host LOCAL',
    '     |-- 127.0.0.1',
    '        /32 host LOCAL',
    '',
  ].join('\n'),
  if_inet6: [
    'fd000000000000000000000000000001 03 40 00 80      br0',
    'fe80000000000000000000fffe0000b0 03 40 20 80      br0',
    '00000000000000000000000000000001 01 80 10 80       lo',
    '',
  ].join('\n'),
  arp: [
    'IP address       HW type     Flags       HW address            Mask     Device',
    '10.0.0.254       0x1         0x2         02:00:00:00:00:FE     *        br0',
    '10.0.0.7         0x1         0x2         02:00:00:00:00:07     *        br0',
    '10.9.0.7         0x1         0x0         00:00:00:00:00:00     *        br1',
    '',
  ].join('\n'),
};

const around = (bridge: string, tables: Partial<Record<NetTable, string>> = TABLES) => {
  const { subnets, host, gateways, gatewayMacs } = neighbourhood((name) => tables[name] ?? '', bridge);
  const texts = (prefixes: typeof host): string[] => prefixes.map(({ text }) => text);
  return { subnets: texts(subnets), host: texts(host), gateways: texts(gateways), gatewayMacs };
};

test('subnets, addresses of the host and gateways, each of its own bridge', () => {
  assert.deepEqual(around('br0'), {
    subnets: ['10.0.0.0/24'],
    host: ['10.0.0.1', 'fd00::1', 'fe80::ff:fe00:b0'],
    gateways: ['10.0.0.254', 'fe80::1'],
    gatewayMacs: [{ mac: '02:00:00:00:00:fe', address: '10.0.0.254' }],
  });
  assert.deepEqual(around('br1'), {
    subnets: ['10.9.0.0/16'],
    host: ['10.9.0.1'],
    gateways: ['10.9.0.7'],
    // Nobody has answered.
    gatewayMacs: [],
  });
});

test('a bridge without addresses, and a kernel without IPv4 or IPv6', () => {
  const nothing = { subnets: [], host: [], gateways: [], gatewayMacs: [] };
  assert.deepEqual(around('br2'), nothing);
  assert.deepEqual(around('br0', {}), nothing);
  assert.deepEqual(around('br0', { ...TABLES, if_inet6: '', ipv6_route: '' }).host, ['10.0.0.1']);
});

test('a host that is a router with many routes does not list its addresses', () => {
  const many =
    TABLES.route + Array.from({ length: 9000 }, () => route('eth1', '1.2.3.0', '9.9.9.9', '255.255.255.0')).join('\n');
  const asked: string[] = [];
  neighbourhood((name) => {
    asked.push(name);
    return name === 'route' ? many : '';
  }, 'br0');
  assert.ok(!asked.includes('fib_trie'));
});
