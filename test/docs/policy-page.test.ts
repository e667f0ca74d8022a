/**
 * The policy cookbook: every recipe is read without a mistake, is about the guest that it names, and does what the page
 * says: what passes with it, and would not without.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { parseFrame } from '../../src/filter/frame.ts';
import { frameVerdict } from '../../src/filter/frame-verdict.ts';
import { buildPlan } from '../../src/filter/plan.ts';
import { withAddresses } from '../../src/policy/address-change.ts';
import { resolvePolicy } from '../../src/policy/resolve-policy.ts';
import { vifWith } from '../filter/vif.ts';
import {
  arp,
  type Content,
  dhcp,
  frame,
  icmp6,
  ip4,
  ip6,
  lla,
  ndBody,
  raBody,
  TYPE,
  udp,
  udp6,
} from '../kernel/frames.ts';
import { recipes } from '../lab/recipe.ts';
import { parsePolicy } from '../policy/effective.ts';

const NOW = '2026-06-01T00:00:00.000Z';
const MAC = '00:16:3e:00:00:01';
const LOCAL = 'fe80::216:3eff:fe00:1';
const OTHER = '02:00:00:00:00:fe';
const HOST = { mac: MAC, ip: '192.0.2.10 2001:db8::10', bridge: 'xenbr0' } as const;

const from4 = (src: string, mac = MAC, content: Content = udp(9, 9), protocol = 17): string =>
  frame(OTHER, mac, TYPE.ip, ip4({ src, dst: '203.0.113.1', protocol }, content));
const from6 = (src: string): string => {
  const ends = { src, dst: '2001:db8:ffff::1' };
  return frame(OTHER, MAC, TYPE.ip6, ip6(ends, udp6(ends, 9, 9)));
};
const says = (spa: string, mac = MAC): string =>
  frame('ff:ff:ff:ff:ff:ff', mac, TYPE.arp, arp({ op: 2, sha: mac, spa, tha: 'ff:ff:ff:ff:ff:ff', tpa: spa }));
const vrrp = (mac = MAC): string =>
  frame(
    '01:00:5e:00:00:12',
    mac,
    TYPE.ip,
    ip4({ src: '192.0.2.10', dst: '224.0.0.18', protocol: 112, ttl: 255 }, Buffer.alloc(12)),
  );
const ends = { src: LOCAL, dst: 'ff02::1', next: 58, hops: 255 };
const routerAdvertisement = frame('33:33:00:00:00:01', MAC, TYPE.ip6, ip6(ends, icmp6(ends, 134, 0, raBody(MAC))));
const offer = frame(
  OTHER,
  MAC,
  TYPE.ip,
  ip4({ src: '192.0.2.10', dst: '192.0.2.20' }, udp(67, 68, dhcp({ op: 2, message: 2, chaddr: OTHER }))),
);
const proxied = { src: '2001:db8::10', dst: '2001:db8::1', next: 58, hops: 255 };
const neighbour = frame(
  OTHER,
  MAC,
  TYPE.ip6,
  ip6(proxied, icmp6(proxied, 136, 0, ndBody('2001:db8:1::5', lla(2, MAC), 0x40000000))),
);
const lldp = frame('01:80:c2:00:00:03', MAC, 0x88cc, '00'.repeat(46));

interface Case {
  /** Of the vif, besides what HOST says. */
  readonly vif: Readonly<Record<string, string>>;
  /** Frames of the guest that pass with the recipe only. */
  readonly opens?: readonly string[];
  /** Frames that it drops only. */
  readonly closes?: readonly string[];
  /** What else it says of this guest, by key. */
  readonly says?: Readonly<Record<string, unknown>>;
}

/** By heading, one case for each example below it. */
const CASES: Readonly<Record<string, readonly Case[]>> = {
  'Nothing without an address': [{ vif: { guest: 'installer7', ip: '' }, says: { no_ip: 'mac-only' } }],
  'An address more than Xen knows': [
    { vif: { guest: 'web1' }, opens: [from4('192.0.2.77'), says('192.0.2.77'), from6('2001:db8::77')] },
  ],
  'A subnet behind a guest': [{ vif: { guest: 'vpn1' }, opens: [from4('198.51.100.9'), from6('2001:db8:1:5::9')] }],
  'A guest with other MACs inside': [
    {
      vif: { guest: 'docker1' },
      opens: [from4('192.0.2.40', '02:42:ac:11:00:11'), from4('192.0.2.10', '02:42:ac:11:00:02')],
    },
    { vif: { guest: 'lb2' }, opens: [says('192.0.2.100', '02:bf:c0:00:02:64')] },
  ],
  'A desktop that draws its own IPv6 addresses': [
    { vif: { guest: 'desktop1' }, opens: [from6('2001:db8:0:12:9:9:9:9'), from6('fe80::1')] },
  ],
  'An address that follows from the MAC': [{ vif: {}, opens: [from6('2001:db8:1::216:3eff:fe00:1')] }],
  'Two guests with one address that moves (keepalived)': [
    { vif: { guest: 'lb1' }, opens: [vrrp(), says('192.0.2.100')] },
    { vif: { guest: 'router2' }, opens: [vrrp('00:00:5e:00:01:33'), says('192.0.2.1', '00:00:5e:00:01:33')] },
  ],
  'A router': [{ vif: { guest: 'router1' }, opens: [from4('203.0.113.77'), routerAdvertisement] }],
  'A guest that answers for what is behind it': [
    { vif: { guest: 'gateway1' }, opens: [says('198.51.100.3'), neighbour, from4('198.51.100.3')] },
  ],
  LLDP: [{ vif: { guest: 'monitor' }, opens: [lldp] }],
  'A guest that advertises routers (radvd)': [{ vif: { guest: 'radvd1' }, opens: [routerAdvertisement] }],
  'A DHCP server': [{ vif: { guest: 'dhcp1' }, opens: [offer] }],
  'A protocol that is no IP': [{ vif: { guest: 'plc1' }, opens: [frame(OTHER, MAC, 0x8892, '00'.repeat(46))] }],
  'A guest in several VLANs': [
    {
      vif: { guest: 'firewall1' },
      opens: [frame(OTHER, MAC, [TYPE.vlan, 20, TYPE.ip], ip4({ src: '192.0.2.10', dst: '203.0.113.1' }, udp(9, 9)))],
    },
  ],
  'One guest as stock would leave it, one cut off': [{ vif: { guest: 'firewall' }, says: { mode: 'unlocked' } }],
  'On a live host: who would lose what': [
    { vif: {}, says: { mode: 'observe' } },
    { vif: { guest: 'firewall' }, says: { mode: 'unlocked' } },
  ],
  'Guests that may reach the network, and not each other': [
    { vif: { guest: 'web1' }, says: { isolated: 'yes', flood: 'no' } },
  ],
  'Guests that reach others by their router only': [{ vif: { bridge: 'customers' }, closes: [from4('192.0.2.10')] }],
  'A guest that calls itself by its public address': [{ vif: { guest: 'web1' }, says: { hairpin: 'on' } }],
  'A guest for each file': [
    { vif: { mac: '00:16:3e:00:17:01' }, opens: [from4('198.51.100.20', '00:16:3e:00:17:01')] },
  ],
  'A guest that gets its address from a DHCP server': [{ vif: { guest: 'desktop3', ip: '' }, says: { learn: 'dhcp' } }],
  'Less, or more, of what everybody has to look at': [
    { vif: { bridge: 'customers' }, says: { limit_arp: { rate: 20, burst: 200 } } },
  ],
};

function verdicts(policy: string, values: Readonly<Record<string, string>>, frames: readonly string[]): string[] {
  const known = vifWith({ ...HOST, ...values });
  const resolved = resolvePolicy(parsePolicy(policy, 'docs/policy.md'), known, NOW);
  const vif = withAddresses(known, resolved);
  const { terms } = buildPlan(vif, resolved, []);
  return frames.map((hex) => {
    const parsed = parseFrame(Buffer.from(hex, 'hex'));
    assert.ok(parsed);
    const port = { terms, learned: [], program: undefined, filter: undefined, ingress: false, stp: false };
    return frameVerdict('from-guest', port, parsed).verdict;
  });
}

test('every recipe has its case', () => {
  assert.deepEqual(
    recipes().flatMap(({ title }) => (CASES[title] === undefined ? [title] : [])),
    [],
  );
});

const seen = new Map<string, number>();
for (const { title, policy } of recipes()) {
  const at = seen.get(title) ?? 0;
  seen.set(title, at + 1);
  const one = CASES[title]?.[at];
  test(`${title}, example ${at + 1}`, () => {
    assert.ok(one);
    const { vif, opens = [], closes = [], says: said = {} } = one;
    const values = resolvePolicy(parsePolicy(policy, 'docs/policy.md'), vifWith({ ...HOST, ...vif }), NOW);
    for (const [key, value] of Object.entries(said)) assert.deepEqual(values[key as keyof typeof values], value, key);
    assert.deepEqual(
      verdicts(policy, vif, opens),
      opens.map(() => 'accept'),
      'with the recipe',
    );
    assert.deepEqual(
      verdicts('', vif, opens),
      opens.map(() => 'drop'),
      'without it',
    );
    assert.deepEqual(
      verdicts(policy, vif, closes),
      closes.map(() => 'drop'),
      'with the recipe',
    );
    assert.deepEqual(
      verdicts('', vif, closes),
      closes.map(() => 'accept'),
      'without it',
    );
    assert.ok(opens.length + closes.length + Object.keys(said).length > 0);
  });
}
