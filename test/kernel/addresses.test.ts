/** What `ip=` says, and what its absence means: how far each vif is restricted. */
import test from 'node:test';
import { type Guest, obstacle, openDom0 } from './dom0.ts';
import {
  A,
  ALL,
  arp,
  dhcp,
  frame,
  G,
  groupMac,
  icmp6,
  ip4,
  ip6,
  lla,
  NONCE,
  ndBody,
  OVERRIDE,
  raBody,
  SOLICITED,
  solicited,
  TYPE,
  tcp,
  udp,
  udp6,
  V,
  X,
} from './frames.ts';
import { error4, error6 } from './icmp-errors.ts';
import { GUEST_V, type TestFrame, testFrames } from './verdict.ts';

const skip = obstacle();

const passes = (name: string, hex: string): TestFrame => ({
  name,
  sender: 'A',
  direction: 'from-guest',
  expect: 'pass',
  hex,
});
const dropped = (reason: string, name: string, hex: string): TestFrame => ({
  name,
  sender: 'A',
  direction: 'from-guest',
  expect: 'drop',
  reason,
  hex,
});
const heard = (name: string, hex: string): TestFrame => ({
  name,
  sender: 'G',
  direction: 'to-guest',
  expect: 'pass',
  hex,
});
const unheard = (reason: string, name: string, hex: string): TestFrame => ({
  name,
  sender: 'G',
  direction: 'to-guest',
  expect: 'drop',
  reason,
  hex,
});

const packet = (src: string, dst = '192.0.2.1', mac = A.mac): string =>
  frame(G.mac, mac, TYPE.ip, ip4({ src, dst }, udp(9, 9)));
const packet6 = (src: string, dst = '2001:db8:ffff::1'): string =>
  frame(G.mac, A.mac, TYPE.ip6, ip6({ src, dst }, udp6({ src, dst }, 9, 9)));
const asks = (spa: string, tpa: string = G.ip): string => frame(ALL, A.mac, TYPE.arp, arp({ spa, tpa }));
const advertises = (target: string, src = target): string => {
  const ends = { src, dst: G.ip6, hops: 255, next: 58 };
  return frame(
    G.mac,
    A.mac,
    TYPE.ip6,
    ip6(ends, icmp6(ends, 136, 0, ndBody(target, lla(2, A.mac), SOLICITED | OVERRIDE))),
  );
};
const detects = (target: string, more = ''): string => {
  const ends = { src: '::', dst: solicited(target), hops: 255, next: 58 };
  return frame(groupMac(ends.dst), A.mac, TYPE.ip6, ip6(ends, icmp6(ends, 135, 0, ndBody(target, more))));
};
const reports = (src = A.local): string => {
  const ends = { src, dst: 'ff02::16', hops: 1, next: 0 };
  const body = Buffer.concat([
    Buffer.from([0, 0, 0, 1, 4, 0, 0, 0]),
    Buffer.from(`ff02${'00'.repeat(9)}01ff000011`, 'hex'),
  ]);
  return frame(
    groupMac(ends.dst),
    A.mac,
    TYPE.ip6,
    ip6(ends, Buffer.concat([Buffer.from('3a00050200000100', 'hex'), icmp6(ends, 143, 0, body)])),
  );
};
const discover = frame(ALL, A.mac, TYPE.ip, ip4({ src: '0.0.0.0', dst: '255.255.255.255' }, udp(68, 67, dhcp({}))));
const toIt = (dst: string): string => frame(A.mac, G.mac, TYPE.ip, ip4({ src: G.ip, dst }, udp(9, 9)));
const toIt6 = (dst: string): string =>
  frame(A.mac, G.mac, TYPE.ip6, ip6({ src: G.ip6, dst }, udp6({ src: G.ip6, dst }, 9, 9)));
const askedFor = (tpa: string, spa = G.ip): string => frame(ALL, G.mac, TYPE.arp, arp({ sha: G.mac, spa, tpa }));
const solicitedFor = (target: string): string => {
  const ends = { src: G.ip6, dst: solicited(target), hops: 255, next: 58 };
  return frame(groupMac(ends.dst), G.mac, TYPE.ip6, ip6(ends, icmp6(ends, 135, 0, ndBody(target, lla(1, G.mac)))));
};
/** Of no station on any wire. */
const NOBODYS = ['0.0.0.0', '0.1.2.3', '127.0.0.1', '127.255.0.1', '224.0.0.1', '240.0.0.1', '255.255.255.255'];
const segment = (src: string): string => frame(G.mac, A.mac, TYPE.ip, ip4({ src, protocol: 6 }, tcp(1, 2)));
/** What the victim sent, as an error quotes it. */
const quoted = (dst: string): Buffer => ip4({ src: V.ip, dst }, udp(9, 9));
const quoted6 = (dst: string): Buffer => ip6({ src: V.ip6, dst }, udp6({ src: V.ip6, dst }, 9, 9));
const broadcastOf = (dst: string): string => frame(ALL, A.mac, TYPE.ip, ip4({ src: A.ip, dst }, udp(9, 9)));
const ra = (src = A.local, mac = A.mac): string => {
  const ends = { src, dst: 'ff02::1', hops: 255, next: 58 };
  return frame(groupMac(ends.dst), mac, TYPE.ip6, ip6(ends, icmp6(ends, 134, 0, raBody(mac))));
};

/** What no mode but `unrestricted` lets a guest do. */
const NEVER: TestFrame[] = [
  dropped('mac-src', 'a frame with a foreign MAC', packet('10.0.0.11', undefined, X.mac)),
  dropped('vlan', 'a tagged frame', frame(G.mac, A.mac, [TYPE.vlan, 0, TYPE.ip], ip4({}, udp(9, 9)))),
  dropped('arp-sha', 'ARP with a foreign MAC', frame(ALL, A.mac, TYPE.arp, arp({ sha: X.mac }))),
  dropped('ra', 'a router advertisement', ra()),
  dropped(
    'dhcp-server',
    'a DHCP answer',
    frame(ALL, A.mac, TYPE.ip, ip4({ dst: '255.255.255.255' }, udp(67, 68, dhcp({ op: 2 })))),
  ),
  dropped(
    'fhrp',
    'VRRP',
    frame(groupMac('224.0.0.18'), A.mac, TYPE.ip, ip4({ dst: '224.0.0.18', protocol: 112 }, Buffer.alloc(20))),
  ),
  dropped(
    'nd-lla',
    'an advertisement with a foreign MAC',
    (() => {
      const ends = { src: A.ip6, dst: G.ip6, hops: 255, next: 58 };
      return frame(G.mac, A.mac, TYPE.ip6, ip6(ends, icmp6(ends, 136, 0, ndBody(A.ip6, lla(2, X.mac)))));
    })(),
  ),
  dropped(
    'dhcp-chaddr',
    'DHCP in the name of another MAC',
    frame(ALL, A.mac, TYPE.ip, ip4({ src: '0.0.0.0', dst: '255.255.255.255' }, udp(68, 67, dhcp({ chaddr: V.mac })))),
  ),
  unheard(
    'not-for-me',
    "others' frames",
    frame('00:16:3e:00:00:77', G.mac, TYPE.ip, ip4({ src: G.ip, dst: A.ip }, udp(9, 9))),
  ),
  unheard(
    'dhcp-foreign',
    'DHCP of others',
    frame(ALL, G.mac, TYPE.ip, ip4({ src: '0.0.0.0', dst: '255.255.255.255' }, udp(68, 67, dhcp({ chaddr: X.mac })))),
  ),
];

function mode(title: string, guest: Partial<Guest>, policy: string, frames: readonly TestFrame[]): void {
  testFrames(title, frames, async (t) => {
    const dom0 = await openDom0(t, { policy });
    await dom0.start({ domid: 1, mac: A.mac, ...guest });
    await dom0.start({ ...GUEST_V, ip: `${V.ip} ${V.ip6}` });
    return dom0;
  });
}

if (skip) test('addresses', { skip }, () => {});
else {
  mode('without ip=, a guest may use any address with its own MAC', {}, '', [
    ...NEVER,
    passes('a packet from any address', packet('203.0.113.9')),
    passes('a packet from any IPv6 address', packet6('2001:db8::9')),
    passes('ARP from any address', asks('203.0.113.9')),
    passes('an ARP probe for any address', asks('0.0.0.0', '203.0.113.9')),
    passes('an advertisement of any address', advertises('2001:db8::9')),
    passes('duplicate address detection of any address', detects('2001:db8::9')),
    passes('a DHCP discover', discover),
    passes("a broadcast to dom0's subnet", broadcastOf('10.0.0.255')),
    passes('an MLD report', reports()),
    ...NOBODYS.map((src) => dropped('ip-src', `a packet from ${src}`, packet(src))),
    ...NOBODYS.map((src) => dropped('ip-src', `TCP from ${src}`, segment(src))),
    ...NOBODYS.filter((src) => src !== '0.0.0.0').map((src) => dropped('arp-spa', `ARP from ${src}`, asks(src))),
    dropped('arp-probe', 'an ARP reply from 0.0.0.0', frame(ALL, A.mac, TYPE.arp, arp({ op: 2, spa: '0.0.0.0' }))),
    ...['::', '::1', '::192.0.2.1', '::ffff:192.0.2.1', 'ff02::1', 'ff05::99'].map((src) =>
      dropped('ip6-src', `a packet from ${src}`, packet6(src)),
    ),
    dropped('ip-form', 'a packet to 127.0.0.1', packet('203.0.113.9', '127.0.0.1')),
    dropped('ip6-form', 'a packet to ::1', packet6('2001:db8::9', '::1')),
    passes('an error about a packet to any address', error4(quoted('203.0.113.9'))),
    passes('an ICMPv6 error about a packet to any address', error6(quoted6('2001:db8::9'))),
    dropped('icmp-quote', 'an error about a packet to a group', error4(quoted('224.0.0.251'))),
    dropped('icmp-quote', 'an error about a packet that cannot be read', error4(quoted('203.0.113.9'), { cut: 19 })),
    dropped('icmp-quote', 'an ICMPv6 error about a packet to a group', error6(quoted6('ff02::1'))),
    dropped('icmp-quote', 'an ICMPv6 error that cannot be read', error6(quoted6('2001:db8::9'), { cut: 39 })),
    heard('a packet to any address', toIt('203.0.113.9')),
    heard('a packet to any IPv6 address', toIt6('2001:db8::9')),
    heard('ARP for any address', askedFor('203.0.113.9')),
    heard('a solicitation for any address', solicitedFor('2001:db8::9')),
  ]);

  mode('an empty ip= is like none', { ip: ' ' }, '', [
    ...NEVER,
    passes('a packet from any address', packet('203.0.113.9')),
  ]);

  mode('no_ip = deny closes a vif without ip=', {}, '[defaults]\nno_ip = deny\n', [
    dropped('no-address', 'a packet', packet(A.ip)),
    dropped('no-address', 'a broadcast', asks(A.ip)),
    dropped('no-address', 'a DHCP discover', discover),
    dropped('no-address', 'IPv6', packet6(A.ip6)),
    dropped('no-address', 'a frame with a foreign MAC', packet(A.ip, undefined, X.mac)),
    unheard('no-address', 'a packet to it', toIt(A.ip)),
    unheard('no-address', 'a broadcast', askedFor(A.ip)),
  ]);

  mode('no_ip = unrestricted filters nothing on a vif without ip=', {}, '[defaults]\nno_ip = unrestricted\n', [
    passes('a packet from any address', packet('203.0.113.9')),
    passes('a router advertisement', ra()),
    passes('a tagged frame', frame(G.mac, A.mac, [TYPE.vlan, 100, TYPE.ip], ip4({}, udp(9, 9)))),
    passes('an unknown protocol', frame(ALL, A.mac, 0x88b5, '00'.repeat(46))),
    heard("others' frames", frame('00:16:3e:00:00:77', G.mac, TYPE.ip, ip4({ src: G.ip, dst: A.ip }, udp(9, 9)))),
    heard('a tagged frame', frame(A.mac, G.mac, [TYPE.vlan, 100, TYPE.ip], ip4({ src: G.ip, dst: A.ip }, udp(9, 9)))),
  ]);

  mode('no_ip does not matter to a vif with ip=', { ip: A.ip }, '[defaults]\nno_ip = unrestricted\n', [
    ...NEVER.filter(({ name }) => !name.startsWith('an advertisement')),
    dropped('ip-src', 'a packet from another address', packet('203.0.113.9')),
  ]);

  mode('with IPv4 addresses only, all IPv6 is closed', { ip: A.ip }, '', [
    passes('its packet', packet(A.ip)),
    passes('its ARP', asks(A.ip)),
    passes('a DHCP discover', discover),
    dropped('ip6-src', 'IPv6', packet6(A.ip6)),
    dropped('ip6-src', 'IPv6 from the link-local address', packet6(A.local, G.local)),
    dropped('nd-target', 'duplicate address detection', detects(A.local)),
    dropped('ip6-src', 'an MLD report', reports()),
    dropped('ip6-src', 'an MLD report from ::', reports('::')),
    dropped('nd-target', 'a neighbour advertisement', advertises(A.local)),
    heard('a packet to it', toIt(A.ip)),
    unheard('ip6-dst', 'IPv6 to it', toIt6(A.ip6)),
    unheard('ip6-dst', 'IPv6 to its link-local address', toIt6(A.local)),
    unheard('nd-foreign', 'a solicitation', solicitedFor(A.local)),
    unheard('ip6-dst', 'a router advertisement', ra(G.local, G.mac)),
  ]);

  mode('with IPv6 addresses only, all IPv4 is closed', { ip: A.ip6 }, '', [
    passes('its packet', packet6(A.ip6)),
    passes('a packet from its link-local address', packet6(A.local, G.local)),
    passes('duplicate address detection', detects(A.ip6)),
    passes('duplicate address detection of its link-local address', detects(A.local, NONCE)),
    passes('an MLD report', reports()),
    passes('a neighbour advertisement', advertises(A.ip6)),
    dropped('ip-src', 'IPv4', packet(A.ip)),
    dropped('arp-spa', 'ARP', asks(A.ip)),
    dropped('arp-probe', 'an ARP probe', asks('0.0.0.0', A.ip)),
    dropped('ip-src', 'a DHCP discover', discover),
    heard('IPv6 to it', toIt6(A.ip6)),
    heard('a solicitation', solicitedFor(A.ip6)),
    heard('a router advertisement', ra(G.local, G.mac)),
    unheard('ip-dst', 'IPv4 to it', toIt(A.ip)),
    unheard('arp-foreign', 'ARP', askedFor(A.ip)),
    unheard(
      'l2l3-mismatch',
      'an IPv4 broadcast to the subnet',
      frame(ALL, G.mac, TYPE.ip, ip4({ src: G.ip, dst: '10.0.0.255' }, udp(9, 9))),
    ),
    unheard(
      'ip-dst',
      'an IPv4 broadcast',
      frame(ALL, G.mac, TYPE.ip, ip4({ src: G.ip, dst: '255.255.255.255' }, udp(9, 9))),
    ),
    unheard(
      'ip-dst',
      'IPv4 multicast',
      frame(groupMac('224.0.0.251'), G.mac, TYPE.ip, ip4({ src: G.ip, dst: '224.0.0.251' }, udp(5353, 5353))),
    ),
  ]);

  mode('a prefix without host bits is the whole block', { ip: '192.0.2.8/29 2001:db8:1::/64' }, '', [
    ...['192.0.2.8', '192.0.2.11', '192.0.2.15'].map((address) => passes(`a packet from ${address}`, packet(address))),
    ...['192.0.2.7', '192.0.2.16', '10.0.0.11'].map((address) =>
      dropped('ip-src', `a packet from ${address}`, packet(address)),
    ),
    passes('ARP from the block', asks('192.0.2.10')),
    passes('an ARP probe in the block', asks('0.0.0.0', '192.0.2.10')),
    dropped('arp-spa', 'ARP from beside the block', asks('192.0.2.16')),
    dropped('arp-probe', 'an ARP probe beside the block', asks('0.0.0.0', '192.0.2.16')),
    dropped(
      'l2l3-mismatch',
      'a broadcast frame to the last address of the block, which is no subnet',
      frame(ALL, A.mac, TYPE.ip, ip4({ src: '192.0.2.9', dst: '192.0.2.15' }, udp(9, 9))),
    ),
    passes(
      'a packet to a neighbour with the last address of a block',
      frame(G.mac, A.mac, TYPE.ip, ip4({ src: '192.0.2.9', dst: '192.0.2.15' }, udp(9, 9))),
    ),
    passes(
      "a broadcast to dom0's subnet",
      frame(ALL, A.mac, TYPE.ip, ip4({ src: '192.0.2.9', dst: '10.0.0.255' }, udp(9, 9))),
    ),
    dropped(
      'l2l3-mismatch',
      'a broadcast to a larger block',
      frame(ALL, A.mac, TYPE.ip, ip4({ src: '192.0.2.9', dst: '192.0.2.255' }, udp(9, 9))),
    ),
    passes(
      'a DHCP release of an address in the block',
      frame(G.mac, A.mac, TYPE.ip, ip4({ src: '192.0.2.9' }, udp(68, 67, dhcp({ message: 7, ciaddr: '192.0.2.9' })))),
    ),
    ...['2001:db8:1::', '2001:db8:1::1', '2001:db8:1::dead:beef:cafe:1'].map((address) =>
      passes(`a packet from ${address}`, packet6(address)),
    ),
    ...['2001:db8:1:1::1', '2001:db8::1'].map((address) =>
      dropped('ip6-src', `a packet from ${address}`, packet6(address)),
    ),
    passes('an error about a packet to the block', error4(quoted('192.0.2.15'), { outer: { src: '192.0.2.9' } })),
    dropped('icmp-quote', 'an error about another', error4(quoted('192.0.2.16'), { outer: { src: '192.0.2.9' } })),
    passes(
      'an ICMPv6 error about a packet to the block',
      error6(quoted6('2001:db8:1::99'), { outer: { src: '2001:db8:1::1' } }),
    ),
    dropped(
      'icmp-quote',
      'an ICMPv6 error about another',
      error6(quoted6('2001:db8:2::99'), { outer: { src: '2001:db8:1::1' } }),
    ),
    passes('a packet from its link-local address', packet6(A.local, G.local)),
    dropped('ip6-src', 'a packet from another link-local address', packet6(V.local, G.local)),
    passes('duplicate address detection in the block', detects('2001:db8:1::dead:beef:cafe:1', NONCE)),
    dropped('nd-target', 'duplicate address detection beside the block', detects('2001:db8:1:1::1')),
    passes('an advertisement of an address in the block', advertises('2001:db8:1::77')),
    passes('an advertisement from another address of the block', advertises('2001:db8:1::77', '2001:db8:1::78')),
    dropped(
      'nd-target',
      'an advertisement of an address beside the block',
      advertises('2001:db8:1:1::77', '2001:db8:1::77'),
    ),
    heard('a packet to an address in the block', toIt('192.0.2.12')),
    unheard('ip-dst', 'a packet beside the block', toIt('192.0.2.16')),
    heard('ARP for an address in the block', askedFor('192.0.2.12')),
    unheard('arp-foreign', 'an ARP probe for an address beside the block', askedFor('192.0.2.16', '0.0.0.0')),
    heard('a packet to the last address of the block', toIt('192.0.2.15')),
    unheard(
      'l2l3-mismatch',
      'a broadcast frame to the last address of the block',
      frame(ALL, G.mac, TYPE.ip, ip4({ src: G.ip, dst: '192.0.2.15' }, udp(9, 9))),
    ),
    heard('a packet to an IPv6 address in the block', toIt6('2001:db8:1::dead:beef:cafe:1')),
    unheard('ip6-dst', 'a packet to an IPv6 address beside the block', toIt6('2001:db8:1:1::1')),
    ...['2001:db8:1::1', '2001:db8:1::dead:beef:cafe:1'].map((address) =>
      heard(`a solicitation for ${address}`, solicitedFor(address)),
    ),
  ]);

  mode('a long IPv6 prefix opens only its own solicited-node groups', { ip: '2001:db8:1::ab00/120' }, '', [
    passes('a packet from the block', packet6('2001:db8:1::ab42')),
    dropped('ip6-src', 'a packet from beside the block', packet6('2001:db8:1::ac00')),
    heard('a solicitation in the block', solicitedFor('2001:db8:1::abff')),
    unheard('nd-foreign', 'a solicitation beside the block', solicitedFor('2001:db8:1::ac01')),
  ]);

  mode('a prefix that is no multiple of eight bits', { ip: '10.0.0.64/27 2001:db8:1:8000::/50' }, '', [
    ...['10.0.0.64', '10.0.0.95'].map((address) => passes(`a packet from ${address}`, packet(address))),
    ...['10.0.0.63', '10.0.0.96'].map((address) => dropped('ip-src', `a packet from ${address}`, packet(address))),
    ...['2001:db8:1:8000::1', '2001:db8:1:bfff::1'].map((address) =>
      passes(`a packet from ${address}`, packet6(address)),
    ),
    ...['2001:db8:1:7fff::1', '2001:db8:1:c000::1'].map((address) =>
      dropped('ip6-src', `a packet from ${address}`, packet6(address)),
    ),
    ...['2001:db8:1:8000::1', '2001:db8:1:bfff::1'].map((address) =>
      passes(`an advertisement of ${address}`, advertises(address)),
    ),
    ...['2001:db8:1:7fff::1', '2001:db8:1:c000::1'].map((address) =>
      dropped('nd-target', `an advertisement of ${address}`, advertises(address, '2001:db8:1:8000::1')),
    ),
  ]);

  mode('an IPv6 address whose end is written like IPv4', { ip: '2001:db8::192.0.2.33' }, '', [
    passes('a packet from the address', packet6('2001:db8::c000:221')),
    passes('an advertisement of the address', advertises('2001:db8::c000:221')),
    dropped('ip6-src', 'a packet from beside it', packet6('2001:db8::c000:222')),
    heard('a packet to it', toIt6('2001:db8::c000:221')),
  ]);

  mode('a prefix with host bits is that one address and its broadcast', { ip: '192.0.2.5/24 2001:db8:1::5/64' }, '', [
    passes('a packet from the address', packet('192.0.2.5')),
    dropped('ip-src', 'a packet from its subnet', packet('192.0.2.6')),
    dropped('arp-spa', 'ARP from its subnet', asks('192.0.2.6')),
    passes(
      'a broadcast to its subnet',
      frame(ALL, A.mac, TYPE.ip, ip4({ src: '192.0.2.5', dst: '192.0.2.255' }, udp(9, 9))),
    ),
    passes(
      "a broadcast to dom0's subnet",
      frame(ALL, A.mac, TYPE.ip, ip4({ src: '192.0.2.5', dst: '10.0.0.255' }, udp(9, 9))),
    ),
    heard('a broadcast to its subnet', frame(ALL, G.mac, TYPE.ip, ip4({ src: G.ip, dst: '192.0.2.255' }, udp(9, 9)))),
    unheard('ip-dst', 'a packet to its subnet', toIt('192.0.2.6')),
    passes('a packet from the IPv6 address', packet6('2001:db8:1::5')),
    dropped('ip6-src', 'a packet from its IPv6 subnet', packet6('2001:db8:1::6')),
    dropped(
      'dhcp-chaddr',
      'a DHCP release of another address',
      frame(G.mac, A.mac, TYPE.ip, ip4({ src: '192.0.2.5' }, udp(68, 67, dhcp({ message: 7, ciaddr: '192.0.2.6' })))),
    ),
    unheard('nd-foreign', 'a solicitation for a neighbour', solicitedFor('2001:db8:1::6')),
  ]);

  mode(
    'several addresses, as admins write them',
    { ip: '"192.0.2.10", 198.51.100.7;203.0.113.0/30   2001:db8::10,2001:DB8:0:0::20 fe80::42' },
    '',
    [
      ...['192.0.2.10', '198.51.100.7', '203.0.113.0', '203.0.113.3'].map((address) =>
        passes(`a packet from ${address}`, packet(address)),
      ),
      ...['192.0.2.11', '198.51.100.6', '203.0.113.4'].map((address) =>
        dropped('ip-src', `a packet from ${address}`, packet(address)),
      ),
      ...['192.0.2.10', '198.51.100.7', '203.0.113.2'].map((address) => passes(`ARP from ${address}`, asks(address))),
      ...['2001:db8::10', '2001:db8::20', 'fe80::42', A.local].map((address) =>
        passes(`a packet from ${address}`, packet6(address)),
      ),
      ...['2001:db8::11', 'fe80::43'].map((address) =>
        dropped('ip6-src', `a packet from ${address}`, packet6(address)),
      ),
      ...['2001:db8::10', '2001:db8::20', 'fe80::42'].map((address) =>
        passes(`an advertisement of ${address}`, advertises(address)),
      ),
      ...['192.0.2.10', '198.51.100.7'].map((address) => heard(`a packet to ${address}`, toIt(address))),
      ...['2001:db8::10', 'fe80::42'].map((address) => heard(`a solicitation for ${address}`, solicitedFor(address))),
      passes(
        'a DHCP release of one of them',
        frame(
          G.mac,
          A.mac,
          TYPE.ip,
          ip4({ src: '192.0.2.10' }, udp(68, 67, dhcp({ message: 7, ciaddr: '192.0.2.10' }))),
        ),
      ),
    ],
  );
}
