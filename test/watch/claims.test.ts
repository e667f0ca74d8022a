/** What a frame says of its sender that is not so. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { claimFilter, claimOf, framesOf } from '../../src/commands/watch/claims.ts';
import { parsePrefix } from '../../src/net/ip-prefix.ts';
import { A, ALL, arp, frame, G, ip4, ip6, TYPE, udp, V } from '../kernel/frames.ts';

const own = {
  macs: [A.mac],
  prefixes: [A.ip, 'fd00::11', '198.51.100.0/28'].flatMap((text) => parsePrefix(text) ?? []),
};
const claim = (hex: string): unknown => claimOf(Buffer.from(hex, 'hex'), own);
const address = (value: string): unknown => ({ kind: 'address', value });

for (const [what, hex, expected] of [
  ['its own ARP', frame(ALL, A.mac, TYPE.arp, arp({ sha: A.mac, spa: A.ip, tpa: G.ip })), undefined],
  ['ARP for the gateway', frame(ALL, A.mac, TYPE.arp, arp({ op: 2, sha: A.mac, spa: G.ip, tpa: V.ip })), address(G.ip)],
  ['a probe for another', frame(ALL, A.mac, TYPE.arp, arp({ sha: A.mac, spa: '0.0.0.0', tpa: V.ip })), address(V.ip)],
  [
    'a MAC inside ARP',
    frame(ALL, A.mac, TYPE.arp, arp({ sha: V.mac, spa: A.ip, tpa: G.ip })),
    { kind: 'mac', value: V.mac },
  ],
  [
    'another MAC',
    frame(G.mac, V.mac, TYPE.ip, ip4({ src: A.ip, dst: G.ip }, udp(9, 9))),
    { kind: 'mac', value: V.mac },
  ],
  ['an address', frame(G.mac, A.mac, TYPE.ip, ip4({ src: V.ip, dst: G.ip }, udp(9, 9))), address(V.ip)],
  ['its block', frame(G.mac, A.mac, TYPE.ip, ip4({ src: '198.51.100.7', dst: G.ip }, udp(9, 9))), undefined],
  [
    'a DHCP server',
    frame(ALL, A.mac, TYPE.ip, ip4({ src: A.ip, dst: '255.255.255.255' }, udp(67, 68))),
    { kind: 'dhcp-server', value: A.ip },
  ],
  ['an IPv6 address', frame(G.mac, A.mac, TYPE.ip6, ip6({ src: V.ip6, dst: G.ip6 }, Buffer.alloc(8))), address(V.ip6)],
  ['too short', '0011', undefined],
  ['half an ARP', frame(ALL, A.mac, TYPE.arp, '0001'), undefined],
] as const) {
  test(what, () => assert.deepEqual(claim(hex), expected));
}

test('neighbour discovery', () => {
  const advertisement = (type: number, target: string): string => {
    const body = Buffer.concat([
      Buffer.from([type, 0, 0, 0, 0x60, 0, 0, 0]),
      Buffer.from(parsePrefix(target)?.bytes ?? []),
    ]);
    const ends = { src: A.local, dst: 'ff02::1', next: 58 };
    return frame('33:33:00:00:00:01', A.mac, TYPE.ip6, ip6(ends, body));
  };
  assert.deepEqual(claim(advertisement(136, V.ip6)), address(V.ip6));
  assert.equal(claim(advertisement(136, A.ip6)), undefined);
  assert.deepEqual(claim(advertisement(134, V.ip6)), { kind: 'router', value: A.local });
});

test('what tcpdump prints', () => {
  const printed = [
    'ARP, Request who-has 10.0.0.1 tell 10.0.0.9, length 28',
    '\t0x0000:  ffff ffff ffff 0016 3e00 0001 0806 0001',
    '\t0x0010:  0800 06',
    'IP truncated',
    '\t0x0000:  0102',
  ].join('\n');
  assert.deepEqual(
    framesOf(printed).map((one) => one.toString('hex')),
    ['ffffffffffff00163e00000108060001080006', '0102'],
  );
  assert.deepEqual(framesOf('nothing'), []);
});

test('what tcpdump is asked for has nothing but own values', () => {
  assert.match(claimFilter(own), /^[a-z0-9 .:/()[\]=]+$/);
  assert.match(claimFilter(own), /src net 10\.0\.0\.11\/32 or src net 198\.51\.100\.0\/28/);
});
