/** Link-local addresses that do not follow from the MAC: what each word opens, and what it leaves closed. */
import test from 'node:test';
import { ATTACKS } from './attacks.ts';
import { CORPUS } from './corpus.ts';
import { obstacle } from './dom0.ts';
import { A, frame, G, groupMac, icmp6, ip6, lla, ndBody, OVERRIDE, solicited, TYPE, udp6, V } from './frames.ts';
import { GUEST_A, GUEST_V, openGuests, type TestFrame, testFrames } from './verdict.ts';

const skip = obstacle();
const DRAWN = 'fe80::89ab:cdef:123:4567';
const GIVEN = 'fe80::5';
const OTHER_LINK = 'fe80:0:0:1::5';

const sends = (src: string, by = A.mac): string => {
  const ends = { src, dst: G.ip6 };
  return frame(G.mac, by, TYPE.ip6, ip6(ends, udp6(ends, 9, 9)));
};
const advertises = (target: string, mac = A.mac): string => {
  const ends = { src: target, dst: 'ff02::1', hops: 255, next: 58 };
  const body = ndBody(target, lla(2, mac), OVERRIDE);
  return frame(groupMac(ends.dst), A.mac, TYPE.ip6, ip6(ends, icmp6(ends, 136, 0, body)));
};
const detects = (target: string): string => {
  const ends = { src: '::', dst: solicited(target), hops: 255, next: 58 };
  return frame(groupMac(ends.dst), A.mac, TYPE.ip6, ip6(ends, icmp6(ends, 135, 0, ndBody(target))));
};
const hears = (dst: string): string => {
  const ends = { src: G.ip6, dst };
  return frame(A.mac, G.mac, TYPE.ip6, ip6(ends, udp6(ends, 9, 9)));
};

/** What a guest does with an address of its own. */
function used(address: string, may: boolean): TestFrame[] {
  const out = (name: string, hex: string, reason: string): TestFrame => ({
    name: `${name} ${address}`,
    sender: 'A',
    direction: 'from-guest',
    expect: may ? 'pass' : 'drop',
    ...(may ? {} : { reason }),
    hex,
  });
  return [
    out('a packet from', sends(address), 'ip6-src'),
    out('an advertisement of', advertises(address), 'nd-target'),
    out('duplicate address detection for', detects(address), 'nd-target'),
    { ...out('a packet to', hears(address), 'ip6-dst'), sender: 'G', direction: 'to-guest' },
  ];
}

const drop = (name: string, hex: string, reason: string, sender: 'A' | 'V' = 'A') =>
  ({ name, sender, direction: 'from-guest', expect: 'drop', reason, hex }) satisfies TestFrame;

const ALWAYS: readonly TestFrame[] = [
  drop('a packet from an address of another link', sends(OTHER_LINK), 'ip6-src'),
  drop('a packet of the neighbour from the same', sends(DRAWN, V.mac), 'ip6-src', 'V'),
];

const CASES: Readonly<Record<string, readonly TestFrame[]>> = {
  eui64: [...used(A.local, true), ...used(DRAWN, false)],
  none: [...used(A.local, false), ...used(DRAWN, false)],
  any: [
    ...used(A.local, true),
    ...used(DRAWN, true),
    drop('an advertisement with a foreign MAC', advertises(DRAWN, V.mac), 'nd-lla'),
  ],
  [GIVEN]: [...used(GIVEN, true), ...used(A.local, false), ...used(DRAWN, false)],
  [`eui64 ${GIVEN}`]: [...used(GIVEN, true), ...used(A.local, true), ...used(DRAWN, false), ...CORPUS, ...ATTACKS],
};

if (skip) test('link_local', { skip }, () => {});
else {
  for (const [value, frames] of Object.entries(CASES)) {
    testFrames(`link_local = ${value}`, [...frames, ...ALWAYS], (t) =>
      openGuests(t, GUEST_A, GUEST_V, { policy: `[mac ${A.mac}]\nlink_local = ${value}\n` }),
    );
  }
}
