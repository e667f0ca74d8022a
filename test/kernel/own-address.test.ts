/** Toward a guest: what others send in its own name, with and without the short way, and addresses that are shared. */
import test, { type TestContext } from 'node:test';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import { A, ALL, arp, frame, G, groupMac, icmp6, ip4, ip6, lla, ndBody, OVERRIDE, TYPE, udp, udp6 } from './frames.ts';
import { OWN_ADDRESS_OF_OTHERS } from './own-address.ts';
import { leaveShortWay } from './quick.ts';
import { openGuests, type TestFrame, testFrames } from './verdict.ts';

const skip = obstacle();

async function openWithoutShortWay(t: TestContext): Promise<Dom0> {
  const dom0 = await openGuests(t);
  await leaveShortWay(dom0);
  return dom0;
}

const SHARED = '10.0.0.100';
const SHARED6 = 'fd00::100';
const from = (src: string): string => frame(A.mac, G.mac, TYPE.ip, ip4({ src, dst: A.ip }, udp(9, 9)));
const from6 = (src: string): string => {
  const ends = { src, dst: A.ip6 };
  return frame(A.mac, G.mac, TYPE.ip6, ip6(ends, udp6(ends, 9, 9)));
};
const announces = (spa: string): string =>
  frame(ALL, G.mac, TYPE.arp, arp({ op: 2, sha: G.mac, spa, tha: ALL, tpa: spa }));
const advertises = (target: string): string => {
  const ends = { src: target, dst: 'ff02::2', hops: 255, next: 58 };
  return frame(
    groupMac(ends.dst),
    G.mac,
    TYPE.ip6,
    ip6(ends, icmp6(ends, 136, 0, ndBody(target, lla(2, G.mac), OVERRIDE))),
  );
};
const toGuest = (expect: 'pass' | 'drop', name: string, hex: string): TestFrame => ({
  name,
  sender: 'G',
  direction: 'to-guest',
  expect,
  ...(expect === 'drop' ? { reason: 'own-address' } : {}),
  hex,
});

if (skip) test('own addresses', { skip }, () => {});
else {
  testFrames("others in a guest's name", OWN_ADDRESS_OF_OTHERS, openGuests);
  testFrames("others in a guest's name, the stages alone", OWN_ADDRESS_OF_OTHERS, openWithoutShortWay);
  testFrames(
    'an address that others may have too',
    [
      toGuest('pass', 'a packet from it', from(SHARED)),
      toGuest('pass', 'an announcement of it', announces(SHARED)),
      toGuest('pass', 'a packet from the IPv6 address', from6(SHARED6)),
      toGuest('pass', 'an advertisement of the IPv6 address', advertises(SHARED6)),
      toGuest('pass', 'a packet from a shared block', from('10.0.0.66')),
      toGuest('pass', 'a packet from a block of its own, which may hold its neighbours', from('10.0.0.130')),
      toGuest('drop', 'a packet from its other address', from(A.ip)),
      toGuest('drop', 'an announcement of its other address', announces(A.ip)),
      toGuest('drop', 'a packet from its other IPv6 address', from6(A.ip6)),
    ],
    async (t) => {
      const dom0 = await openDom0(t, { policy: `[defaults]\nshared = ${SHARED} ${SHARED6} 10.0.0.64/28\n` });
      const ip = `${A.ip} ${SHARED} 10.0.0.66 10.0.0.128/30 ${A.ip6} ${SHARED6}`;
      await dom0.start({ domid: 1, mac: A.mac, ip });
      await dom0.start({ domid: 2, mac: '00:16:3e:00:00:02', ip: '10.0.0.2 fd00::2' });
      return dom0;
    },
  );
}
