/** Blocks behind a guest: it sends from them and receives for them, and nobody finds them behind its MAC by asking. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { ATTACKS } from './attacks.ts';
import { CORPUS } from './corpus.ts';
import { obstacle, openDom0 } from './dom0.ts';
import {
  A,
  ALL,
  arp,
  fragment6,
  frame,
  G,
  groupMac,
  type Ip6,
  icmp,
  icmp6,
  ip4,
  ip6,
  lla,
  mldBody,
  mldOptions,
  ndBody,
  OVERRIDE,
  solicited,
  TYPE,
  tcp,
  udp,
  udp6,
  V,
} from './frames.ts';
import { error4, error6 } from './icmp-errors.ts';
import { LEGITIMATE } from './legitimate.ts';
import { OWN_ADDRESS_OF_OTHERS } from './own-address.ts';
import { leaveShortWay } from './quick.ts';
import { GUEST_A, GUEST_V, openGuests, type TestFrame, testFrames, type Who } from './verdict.ts';

const skip = obstacle();

const POLICY = `[mac ${A.mac}]\nroutes = 198.51.100.0/28 fd01::/56\n`;
const R = '198.51.100.5';
const R6 = 'fd01::5';
const OUT = '198.51.100.16';
const ROUTER6 = 'ff02::2';
/** Of the block, with a group of its own. */
const SOLE6 = 'fd01::ab:cdef';
const OUT6 = 'fd01:0:0:100::5';

const v4 = (src: string, dst = G.ip, by = A.mac): string => frame(G.mac, by, TYPE.ip, ip4({ src, dst }, udp(9, 9)));
const v6 = (src: string, by = A.mac): string => {
  const ends = { src, dst: G.ip6 };
  return frame(G.mac, by, TYPE.ip6, ip6(ends, udp6(ends, 9, 9)));
};
const to4 = (dst: string): string => frame(A.mac, G.mac, TYPE.ip, ip4({ src: G.ip, dst }, udp(9, 9)));
const to6 = (dst: string): string => {
  const ends = { src: G.ip6, dst };
  return frame(A.mac, G.mac, TYPE.ip6, ip6(ends, udp6(ends, 9, 9)));
};
const v6icmp = (h: Ip6, type: number, body: Buffer | string, mac = G.mac): string =>
  frame(mac, A.mac, TYPE.ip6, ip6({ next: 58, ...h }, icmp6(h, type, 0, body)));
const fragment = (offset: number): string =>
  frame(
    G.mac,
    A.mac,
    TYPE.ip6,
    ip6({ src: R6, next: 44 }, fragment6(58, icmp6({ src: R6, dst: G.ip6 }, 128), offset, offset === 0)),
  );

const from = (expect: 'pass' | 'drop', name: string, hex: string, reason?: string, sender: Who = 'A') =>
  ({ name, sender, direction: 'from-guest', expect, reason, hex }) satisfies TestFrame;
const to = (expect: 'pass' | 'drop', name: string, hex: string, reason?: string) =>
  ({ name, sender: 'G', direction: 'to-guest', expect, reason, hex }) satisfies TestFrame;

const nd = { hops: 255 } as const;

const OPENED: readonly TestFrame[] = [
  from('pass', 'IPv4 from a block', v4(R)),
  from('pass', 'TCP from a block', frame(G.mac, A.mac, TYPE.ip, ip4({ src: R, protocol: 6, dst: G.ip }, tcp(9, 9)))),
  from('pass', 'a ping from a block', frame(G.mac, A.mac, TYPE.ip, ip4({ src: R, protocol: 1, dst: G.ip }, icmp(8)))),
  from('pass', 'IPv4 from its own address', v4(A.ip)),
  to('pass', 'IPv4 to a block', to4(R)),
  to('pass', 'IPv4 to its own address', to4(A.ip)),
  to(
    'pass',
    'IPv4 from a block: another one may be on its other side',
    frame(A.mac, G.mac, TYPE.ip, ip4({ src: R, dst: A.ip }, udp(9, 9))),
  ),
  from('drop', 'IPv4 from behind the end of a block', v4(OUT), 'ip-src'),
  from('drop', 'IPv4 of a neighbour from the block', v4(R, G.ip, V.mac), 'ip-src', 'V'),
  from(
    'drop',
    'a claim of an address of a block',
    frame(ALL, A.mac, TYPE.arp, arp({ op: 2, spa: R, tpa: R })),
    'arp-spa',
  ),
  from('drop', 'a question from a block', frame(ALL, A.mac, TYPE.arp, arp({ spa: R, tpa: G.ip })), 'arp-spa'),
  from(
    'drop',
    'an answer for a block',
    frame(G.mac, A.mac, TYPE.arp, arp({ op: 2, spa: R, tha: G.mac, tpa: G.ip })),
    'arp-spa',
  ),
  from('drop', 'a probe for a block', frame(ALL, A.mac, TYPE.arp, arp({ spa: '0.0.0.0', tpa: R })), 'arp-probe'),
  from(
    'drop',
    'VRRP from a block',
    frame(
      groupMac('224.0.0.18'),
      A.mac,
      TYPE.ip,
      ip4({ src: R, dst: '224.0.0.18', protocol: 112, ttl: 255 }, Buffer.alloc(20)),
    ),
    'fhrp',
  ),
  to('drop', 'IPv4 to behind the end of a block', to4(OUT), 'ip-dst'),
  to('drop', 'ARP for a block', frame(A.mac, G.mac, TYPE.arp, arp({ sha: G.mac, spa: G.ip, tpa: R })), 'arp-foreign'),
];

/** What ebtables closes for everybody by default. */
const OPENED_NFT: readonly TestFrame[] = [
  from('pass', 'an error of its own about a packet to a block', error4(ip4({ src: V.ip, dst: R }, udp(53, 9)))),
  from('pass', 'an error from a block', error4(ip4({ src: V.ip, dst: R }, udp(53, 9)), { outer: { src: R } })),
  from(
    'drop',
    'an error about a packet to behind the block',
    error4(ip4({ src: V.ip, dst: OUT }, udp(53, 9))),
    'icmp-quote',
  ),
  from(
    'drop',
    'an error from behind the block',
    error4(ip4({ src: V.ip, dst: R }, udp(53, 9)), { outer: { src: OUT } }),
    'ip-src',
  ),
  from('pass', 'IPv6 from a block', v6(R6)),
  from('pass', 'a ping from a block', v6icmp({ src: R6, dst: G.ip6 }, 128, '00000000')),
  from('pass', 'the first part of a large ping', fragment(0)),
  from('pass', 'an error about a packet to a block', error6(ip6({ src: V.ip6, dst: R6 }, udp6({}, 53, 9)))),
  from('pass', 'an error from a block', error6(ip6({ src: V.ip6, dst: R6 }, udp6({}, 53, 9)), { outer: { src: R6 } })),
  to('pass', 'IPv6 to a block', to6(R6)),
  from('drop', 'IPv6 from behind the end of a block', v6(OUT6), 'ip6-src'),
  from(
    'drop',
    'an error about a packet to behind the block',
    error6(ip6({ src: V.ip6, dst: OUT6 }, udp6({}, 53, 9))),
    'icmp-quote',
  ),
  from('drop', 'IPv6 of a neighbour from the block', v6(R6, V.mac), 'ip6-src', 'V'),
  from(
    'drop',
    'an advertisement of a block',
    v6icmp({ src: A.ip6, dst: 'ff02::1', ...nd }, 136, ndBody(R6, lla(2, A.mac), OVERRIDE), groupMac('ff02::1')),
    'nd-target',
  ),
  from(
    'drop',
    'an advertisement from a block',
    v6icmp({ src: R6, dst: 'ff02::1', ...nd }, 136, ndBody(A.ip6, lla(2, A.mac), OVERRIDE), groupMac('ff02::1')),
    'ip6-src',
  ),
  from(
    'drop',
    'a question from a block, which would be known by it',
    v6icmp({ src: R6, dst: solicited(G.ip6), ...nd }, 135, ndBody(G.ip6, lla(1, A.mac)), groupMac(solicited(G.ip6))),
    'ip6-src',
  ),
  from(
    'drop',
    'the same to one station',
    v6icmp({ src: R6, dst: G.ip6, ...nd }, 135, ndBody(G.ip6, lla(1, A.mac))),
    'ip6-src',
  ),
  from(
    'drop',
    'duplicate address detection for a block',
    v6icmp({ src: '::', dst: solicited(R6), ...nd }, 135, ndBody(R6), groupMac(solicited(R6))),
    'nd-target',
  ),
  from(
    'drop',
    'a router solicitation from a block',
    v6icmp({ src: R6, dst: ROUTER6, ...nd }, 133, Buffer.concat([Buffer.alloc(4), lla(1, A.mac)]), groupMac(ROUTER6)),
    'ip6-src',
  ),
  from(
    'drop',
    'MLD from a block',
    frame(
      groupMac('ff02::2'),
      A.mac,
      TYPE.ip6,
      ip6(
        { src: R6, dst: 'ff02::2', next: 0, hops: 1 },
        mldOptions(icmp6({ src: R6, dst: 'ff02::2' }, 132, 0, mldBody('ff05::1:3'))),
      ),
    ),
    'ip6-src',
  ),
  to('drop', 'IPv6 to behind the end of a block', to6(OUT6), 'ip6-dst'),
  to(
    'drop',
    'a question for a block',
    frame(
      groupMac(solicited(SOLE6)),
      G.mac,
      TYPE.ip6,
      ip6(
        { src: G.ip6, dst: solicited(SOLE6), next: 58, hops: 255 },
        icmp6({ src: G.ip6, dst: solicited(SOLE6) }, 135, 0, ndBody(SOLE6, lla(1, G.mac))),
      ),
    ),
    'nd-foreign',
  ),
];

if (skip) test('routes', { skip }, () => {});
else {
  const open = (t: test.TestContext, backend = '') => openGuests(t, GUEST_A, GUEST_V, { policy: backend + POLICY });
  testFrames('blocks behind a guest', [...OPENED, ...OPENED_NFT], open);
  testFrames('blocks behind a guest, the stages alone', [...OPENED, ...OPENED_NFT], async (t) => {
    const dom0 = await open(t);
    await leaveShortWay(dom0);
    return dom0;
  });
  testFrames('blocks behind a guest, ebtables', OPENED, (t) => open(t, '[defaults]\nbackend = ebtables\n'));
  testFrames('attacks of a guest that routes', [...CORPUS, ...ATTACKS, ...OWN_ADDRESS_OF_OTHERS, ...LEGITIMATE], open);
}

test('routes are taken in and out by reapply, are shown, and meet those of others quietly', { skip }, async (t) => {
  const dom0 = await openDom0(t, { policy: POLICY });
  await dom0.start(GUEST_A);
  await dom0.start(GUEST_V);
  const lay = async (policy: string): Promise<string> => {
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), policy);
    const result = await dom0.admin(['reapply', '--all']);
    assert.equal(result.status, 0, result.stderr);
    return (await dom0.admin(['status'])).stdout;
  };
  assert.match((await dom0.admin(['status'])).stdout, /^ {2}and routes for 198\.51\.100\.0\/28 fd01::\/56$/m);
  const [port] = JSON.parse((await dom0.admin(['status', '--json', 'vif1.0'])).stdout) as { routes?: string[] }[];
  assert.deepEqual(port?.routes, ['198.51.100.0/28', 'fd01::/56']);

  const wide = await lay(`[mac ${A.mac}]\nroutes = 198.51.0.0/16 10.0.0.2\n[mac ${V.mac}]\nroutes = 198.51.100.0/24\n`);
  assert.match(wide, /^ {2}routes: 10\.0\.0\.2 198\.51\.100\.0\/24 is also of vif2\.0 on br0, another guest$/m);
  assert.match(wide, /^ {2}routes: 198\.51\.100\.0\/24 is also of vif1\.0 on br0, another guest$/m);
  assert.match(wide, /^ {2}10\.0\.0\.2 is in routes of vif1\.0 on br0, another guest, which may send from it$/m);
  assert.match(wide, /^ {2}10\.0\.0\.2 of routes is in 10\.0\.0\.0\/24 of br0: who is there asks for it by ARP or ND/m);
  assert.doesNotMatch(wide, /warning/);

  assert.doesNotMatch(await lay(''), /routes/);
  assert.doesNotMatch(await dom0.ruleset(), /0xc633/);
});
