/** A guest that answers for what is behind it (`allow = proxy-arp proxy-nd`): for its `routes`, and for no others. */
import test from 'node:test';
import { ATTACKS } from './attacks.ts';
import { CORPUS } from './corpus.ts';
import { obstacle } from './dom0.ts';
import {
  A,
  ALL,
  arp,
  frame,
  G,
  groupMac,
  icmp6,
  ip6,
  lla,
  ndBody,
  OVERRIDE,
  SOLICITED,
  solicited,
  TYPE,
  V,
} from './frames.ts';
import { GUEST_A, GUEST_V, openGuests, type TestFrame, testFrames } from './verdict.ts';

const skip = obstacle();

const R = '198.51.100.5';
const OUT = '198.51.100.16';
const R6 = 'fd01::ab:cdef';
const OUT6 = 'fd01:0:0:100::5';
const ROUTES = `[mac ${A.mac}]\nroutes = 198.51.100.0/28 fd01::/56\n`;

const from = (expect: 'pass' | 'drop', name: string, hex: string, reason?: string): TestFrame => ({
  name,
  sender: 'A',
  direction: 'from-guest',
  expect,
  reason: expect === 'drop' ? reason : undefined,
  hex,
});
const to = (expect: 'pass' | 'drop', name: string, hex: string, reason?: string): TestFrame => ({
  ...from(expect, name, hex, reason),
  sender: 'G',
  direction: 'to-guest',
});
const answers = (spa: string, sha = A.mac): string =>
  frame(G.mac, A.mac, TYPE.arp, arp({ op: 2, sha, spa, tha: G.mac, tpa: G.ip }));
const advertises = (target: string, mac = A.mac, flags = SOLICITED): string => {
  const ends = { src: A.ip6, dst: G.ip6, hops: 255, next: 58 };
  return frame(G.mac, A.mac, TYPE.ip6, ip6(ends, icmp6(ends, 136, 0, ndBody(target, lla(2, mac), flags))));
};
const solicits = (target: string): string => {
  const ends = { src: G.ip6, dst: solicited(target), hops: 255, next: 58 };
  return frame(groupMac(ends.dst), G.mac, TYPE.ip6, ip6(ends, icmp6(ends, 135, 0, ndBody(target, lla(1, G.mac)))));
};
const asked = (tpa: string, dst: string): string =>
  frame(dst, G.mac, TYPE.arp, arp({ op: 1, sha: G.mac, spa: G.ip, tpa }));

const ARP = (expect: 'pass' | 'drop'): TestFrame[] => [
  from(expect, 'it answers for what it routes', answers(R), 'arp-spa'),
  to(expect, 'it is asked alone for what it routes', asked(R, A.mac), 'arp-foreign'),
];
const ND = (expect: 'pass' | 'drop'): TestFrame[] => [
  from(expect, 'it advertises what it routes', advertises(R6), 'nd-target'),
  to(expect, 'it is asked for what it routes over IPv6', solicits(R6), 'nd-foreign'),
];
const NEVER: readonly TestFrame[] = [
  from('drop', 'it answers for what is beside it', answers(OUT), 'arp-spa'),
  from('drop', 'it answers for the gateway', answers(G.ip), 'arp-spa'),
  from('drop', 'it answers for the victim', answers(V.ip), 'arp-spa'),
  from('drop', 'it answers with another MAC', answers(R, V.mac), 'arp-sha'),
  from(
    'drop',
    'it probes for what it routes',
    frame(ALL, A.mac, TYPE.arp, arp({ op: 1, spa: '0.0.0.0', tpa: R })),
    'arp-probe',
  ),
  from('drop', 'it advertises what is beside it', advertises(OUT6), 'nd-target'),
  from('drop', 'it advertises the gateway', advertises(G.ip6, A.mac, SOLICITED | OVERRIDE), 'nd-target'),
  from('drop', 'it advertises another MAC', advertises(R6, V.mac), 'nd-lla'),
  to('drop', 'it is asked alone for what is beside it', asked(OUT, A.mac), 'arp-foreign'),
  to('drop', 'it is asked for what is beside it over IPv6', solicits(OUT6), 'nd-foreign'),
];

if (skip) test('proxies', { skip }, () => {});
else {
  const open = (policy: string) => (t: test.TestContext) => openGuests(t, GUEST_A, GUEST_V, { policy });
  const forged = [...ATTACKS, ...CORPUS].filter(({ expect }) => expect === 'drop');
  testFrames('proxy-arp', [...ARP('pass'), ...ND('drop'), ...NEVER], open(`${ROUTES}allow = proxy-arp\n`));
  testFrames('proxy-nd', [...ARP('drop'), ...ND('pass'), ...NEVER], open(`${ROUTES}allow = proxy-nd\n`));
  testFrames(
    'both',
    [...ARP('pass'), ...ND('pass'), ...NEVER, ...forged],
    open(`${ROUTES}allow = proxy-arp proxy-nd\n`),
  );
  testFrames('neither', [...ARP('drop'), ...ND('drop')], open(ROUTES));
  testFrames(
    'who routes nothing answers for nobody',
    [...ARP('drop'), ...ND('drop')],
    open(`[mac ${A.mac}]\nallow = proxy-arp proxy-nd\n`),
  );
  // ebtables does not see the target of neighbour discovery.
  testFrames(
    'ebtables: proxy-arp',
    [...ARP('pass'), ...NEVER.filter(({ name }) => /it (answers|is asked alone)/.test(name))],
    open(`[defaults]\nbackend = ebtables\n${ROUTES}allow = proxy-arp\n`),
  );
}
