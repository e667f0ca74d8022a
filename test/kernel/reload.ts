/** What `nft list ruleset` prints of our rules must load again, to the same rules: that is how hosts save theirs. */

import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { WITH_PORTS } from '../../src/backends/nftables/flow-keys.ts';
import { baseText, portText } from '../../src/backends/nftables/text.ts';
import { TRACKED_SETS } from '../../src/backends/nftables/tracked-sets.ts';
import { EVERY_OPT_IN } from '../../src/filter/opt-ins.ts';
import { buildPlan, type FilterSwitch, type NoIp } from '../../src/filter/plan.ts';
import { parseAddressList } from '../../src/net/address-list.ts';
import { parseMacList } from '../../src/net/mac-list.ts';
import { parseFilter } from '../../src/nwfilter/document.ts';
import { filterProgram } from '../../src/nwfilter/program.ts';
import { program } from '../../src/policy/rule-lists.ts';
import { guestGroup } from '../../src/port/guest-group.ts';
import type { IdentityValues } from '../../src/xen/vif-identity.ts';
import { ALL_LIMITED, vifWith } from '../filter/vif.ts';
import { createNamespace, type Namespace } from '../lab/namespace.ts';
import type { Nft } from '../lab/nft-release.ts';
import { parsePolicy } from '../policy/effective.ts';
import { CORPUS } from './corpus.ts';
import type { Dom0, Guest } from './dom0.ts';
import { A, V } from './frames.ts';
import { GUEST_A, GUEST_V, openGuests, testFrames } from './verdict.ts';

/**
 * Two of each kind, so that every set has at least two elements: nft 1.0.6 crashes over some sets with more than one.
 */
const KINDS: readonly (readonly [IdentityValues, NoIp, FilterSwitch?])[] = [
  [{ ip: '192.0.2.1 192.0.2.2 2001:db8::1 2001:db8::2' }, 'deny'],
  [{ ip: '198.51.100.1 2001:db8:1::1' }, 'deny'],
  [{ ip: '198.51.100.0/24 203.0.113.64/28 2001:db8:2::/64 2001:db8:3::/112' }, 'deny'],
  [{ ip: '192.0.2.64/28 192.0.2.9 2001:db8:4::/96 2001:db8::9' }, 'deny'],
  [{ ip: '192.0.2.21' }, 'deny', 'observe'],
  [{ ip: '192.0.2.22' }, 'deny', 'observe'],
  ...(['mac-only', 'deny', 'unrestricted'] as const).flatMap((noIp) => [[{}, noIp] as const, [{}, noIp] as const]),
];
const DEVICES = KINDS.map((_, at) => `vif${at + 1}.0`);
const macOf = (at: number): string => `00:16:3e:00:01:${10 + at}`;

const blocks = parseAddressList('198.18.0.0/24 198.18.1.7 2001:db8:5::/64 2001:db8:6::7', 'test');
const gateways = { macs: parseMacList('00:00:5e:00:01:01+2', 'test'), addresses: [] };
const routers = parseAddressList('192.0.2.1 192.0.2.2 2001:db8::1 2001:db8::2', 'test');
const MORE = {
  extra_macs: parseMacList('02:42:ac:11:00:00+2', 'test'),
  routes: [...blocks.ipv4, ...blocks.ipv6],
  hairpin: 'on',
} as const;

/** Some vif learns: then all rules are there. */
const WITH_ALL = parsePolicy(
  `[defaults]
unmanaged = closed
learn = dhcp
rules = web
nwfilter = web
gateways = 00:00:5e:00:01:01
allow = proxy-arp proxy-nd lldp vlan:10-20
[addresses admins]
198.51.100.0/24 192.0.2.7 2001:db8:ad::/48
[rules web]
in allow tcp 80,443
in allow tcp 22 from admins log
in allow icmp echo-request limit 10/second
in allow gre
in drop
out drop tcp 25
out allow
`,
  'test',
);

/** A filter of libvirt's that knows of conversations, and of the addresses of ARP. */
const FILTER = filterProgram(
  'web',
  () => {
    const found = parseFilter(
      `<filter name='web'>
        <rule action='drop' direction='out'><arp gratuitous='true'/></rule>
        <rule action='accept' direction='in'><tcp dstportstart='80'/></rule>
        <rule action='accept' direction='out'><udp-ipv6 dstportstart='53'/></rule>
        <rule action='drop' direction='inout'><all/></rule>
      </filter>`,
      'web.xml',
    );
    assert.ok('filter' in found);
    return found.filter;
  },
  { values: new Map(), own: new Map(), unknown: new Set() },
);

/** The same of what filters know of conversations. */
function tracked(port: number): string[] {
  return TRACKED_SETS.map(({ name }) => {
    const ip6 = name.endsWith('-ip6');
    const [own, other] = ip6 ? ['2001:db8::1', '2001:db8::2'] : ['10.0.0.1', '10.0.0.2'];
    const raw = ip6 ? `0x${'20010db8'.padEnd(32, '0')} . 0x${'20010db9'.padEnd(32, '0')}` : '0x0a000001 . 0x0a000002';
    const keys = /-(other|pair)-/.test(name)
      ? [`${raw} . 0x06`, `${raw} . 0x11`]
      : /-(echo|fragment)-/.test(name)
        ? [`${own} . ${other} . 1`, `${own} . ${other} . 2`]
        : [`${own} . ${other} . 1024 . 80`, `${own} . ${other} . 1025 . 80`];
    return `add element bridge xen-vif ${name} { ${keys.map((key) => `${port} . ${key} timeout 3000s`).join(', ')} }`;
  });
}

/** Conversations of one kind each, two of them. */
function flows(port: number): string[] {
  const pairs: Readonly<Record<string, readonly [string, string]>> = {
    ip: ['10.0.0.1', '10.0.0.2'],
    ip6: ['2001:db8::1', '2001:db8::2'],
  };
  return Object.entries(pairs).flatMap(([family, [own, other]]) => {
    const add = (set: string, ...keys: string[]): string =>
      `add element bridge xen-vif ${set}-${family} { ${keys.map((key) => `${port} . ${key} timeout 3000s`).join(', ')} }`;
    const raw =
      family === 'ip' ? '0x0a000001 . 0x0a000002' : `0x${'20010db8'.padEnd(32, '0')} . 0x${'20010db9'.padEnd(32, '0')}`;
    return [
      ...[...WITH_PORTS, 'closing', 'brief', ...WITH_PORTS.map((one) => `given-${one}`)].map((one) =>
        add(`flows-${one}`, `${own} . ${other} . 1024 . 80`, `${own} . ${other} . 1025 . 80`),
      ),
      add('flows-echo', `${own} . ${other} . 1`, `${own} . ${other} . 2`),
      add('flows-fragment', `${own} . ${other} . 1`, `${own} . ${other} . 2`),
      ...['flows-pair', 'flows-long-pair', 'flows-given-other', 'rejected'].map((set) =>
        add(set, `${raw} . 0x06`, `${raw} . 0x11`),
      ),
    ];
  });
}
/** Those with addresses learn more: the first one from two servers, the others from any. */
const LEARNS = { learn: 'dhcp' } as const;
const SERVERS = { dhcp_servers: parseAddressList('192.0.2.1 192.0.2.2', 'test').ipv4 };

/** Rules of every kind, and what the kernel has counted and exempted meanwhile. */
function everything(indexOf: (device: string) => number): string {
  const ports = KINDS.map(([values, noIp, mode = 'locked'], at) => {
    const device = DEVICES[at] ?? '';
    const plan = buildPlan(
      vifWith({ mac: macOf(at), ...values }, device),
      {
        ...{ ...ALL_LIMITED, ...MORE, ...(values.ip === undefined ? {} : LEARNS), ...(at === 0 ? SERVERS : {}) },
        gateways: at % 2 === 0 ? gateways : { ...gateways, addresses: [...routers.ipv4, ...routers.ipv6] },
        ...{
          mode,
          no_ip: noIp,
          allow: EVERY_OPT_IN,
          program: program(WITH_ALL.ruleLists, ['web']),
          filterFor: () => FILTER,
        },
      },
      ['10.0.0.255', '192.0.2.15'],
    );
    const port = { device, name: device, bridge: 'br0', ifindex: indexOf(device), ingress: noIp === 'mac-only' };
    return portText({ port, plan, loaded: [], hadIngress: false }, undefined);
  });
  const [first = '', second = ''] = DEVICES;
  const count = 'counter packets 3 bytes 180';
  const exempt = [indexOf(first), indexOf(second)];
  const [one, two] = exempt.map(guestGroup);
  return [
    baseText({ sentinel: 'base/0123-4567', policy: WITH_ALL, exempt, fresh: true }),
    ...ports,
    `add element bridge xen-vif drops { ${one} . 0x3 ${count}, ${two} . 0x103 ${count} }`,
    `add element bridge xen-vif learned { ${one} . 0xc0000205 timeout 3000s, ${two} . 0xc0000206 timeout 50s }`,
    `add element bridge xen-vif learned-before { ${one} . 0xc0000205 timeout 3000s, ${two} . 0xc0000206 timeout 50s }`,
    ...flows(one ?? 0),
    ...tracked(one ?? 0),
    `add element bridge xen-vif rations { ${one} . 0x1 timeout 3000s, ${two} . 0x2 timeout 3000s }`,
    `add element bridge xen-vif rule-limits { ${one} . 0x1 timeout 3000s, ${two} . 0x2 timeout 3000s }`,
    ...['flooded', 'rejects'].map(
      (set) => `add element bridge xen-vif ${set} { ${one} timeout 3000s, ${two} timeout 3000s }`,
    ),
    `add element bridge xen-vif drops-unmanaged { "${first}" . 0x1 ${count}, "${second}" . 0x101 ${count} }`,
  ].join('\n');
}

const list = async (nft: Nft, ns: Namespace): Promise<string> =>
  // How long an element lives on is another number each time.
  (await nft.run(ns, ['list', 'ruleset'])).replace(/ expires \w+/g, '');

/** Lists and loads again, everything and ordinary guests. */
export function testReload(nft: Nft): void {
  const load = (ns: Namespace, input: string): Promise<string> => nft.run(ns, ['-f', '-'], { input });

  test(`a listing loads into a host without any vif, to the same rules (${nft.label})`, async (t) => {
    const [here, elsewhere] = await Promise.all([createNamespace('listed'), createNamespace('loaded again')]);
    for (const ns of [here, elsewhere]) t.after(() => ns.remove());
    await here.check(['ip', '-batch', '-'], {
      input: DEVICES.map((device) => `link add ${device} type bridge\n`).join(''),
    });
    const links = JSON.parse(await here.check(['ip', '-j', 'link'])) as { ifname: string; ifindex: number }[];
    await load(
      here,
      everything((device) => links.find((link) => link.ifname === device)?.ifindex ?? -1),
    );
    const listed = await list(nft, here);
    await load(elsewhere, listed);
    assert.equal(await list(nft, elsewhere), listed);
    // What was loaded from it is what is listed of it; once more, because the first listing may
    // have meant another thing.
    await load(elsewhere, `flush ruleset\n${await list(nft, elsewhere)}`);
    assert.equal(await list(nft, elsewhere), listed);
  });

  test(`every set can be listed with two elements and more (${nft.label})`, async (t) => {
    const ns = await createNamespace('sets');
    t.after(() => ns.remove());
    await load(
      ns,
      everything((device) => 100 + DEVICES.indexOf(device)),
    );
    const sets = [...(await list(nft, ns)).matchAll(/^\t(set|map) (\S+) \{$/gm)];
    assert.ok(sets.length >= 20);
    for (const [, kind = '', set = ''] of sets) {
      const listed = await nft.run(ns, ['-j', 'list', kind, 'bridge', 'xen-vif', set]);
      const { nftables } = JSON.parse(listed) as {
        nftables: { set?: { elem?: unknown[] }; map?: { elem?: unknown[] } }[];
      };
      const found = nftables.find((one) => one.set !== undefined || one.map !== undefined);
      assert.ok(((found?.set ?? found?.map)?.elem?.length ?? 0) >= 2, set);
    }
  });

  for (const [what, a, v] of [
    ['addresses', GUEST_A, GUEST_V],
    ['blocks', { ...GUEST_A, ip: '10.0.0.10/31 fd00::10/127' }, { ...GUEST_V, ip: '10.0.0.2/31 fd00::2/127' }],
  ] as const) {
    testFrames(`rules from a listing, guests with ${what} (${nft.label})`, CORPUS, (t) => reloaded(t, nft, nft, a, v));
  }
}

/** A host saves its rules, and has a later nft when it loads them again. */
export function testUpgrade(before: Nft, after: Nft): void {
  testFrames(`rules listed by ${before.label} and loaded by ${after.label}`, CORPUS, (t) =>
    reloaded(t, before, after, GUEST_A, GUEST_V),
  );
}

/** A host whose rules were loaded and listed by one nft, and loaded again by this or another one. */
async function reloaded(t: TestContext, before: Nft, after: Nft, a: Guest, v: Guest): Promise<Dom0> {
  const dom0 = await openGuests(t, a, v);
  const { ns } = dom0;
  // The state knows the base by it.
  const sentinel = /chain (base\/\S+)/.exec(await list(before, ns))?.[1] ?? '';
  const ports = await Promise.all(
    [a, v].map(async ({ domid, mac, ip }) => {
      const device = `vif${domid}.0`;
      const ifindex = Number(await ns.check(['cat', `/sys/class/net/${device}/ifindex`]));
      const plan = buildPlan(vifWith({ mac, ip }, device), { ...ALL_LIMITED, mode: 'locked', no_ip: 'mac-only' }, [
        '10.0.0.255',
      ]);
      const port = { device, name: device, bridge: 'br0', ifindex, ingress: false };
      return portText({ port, plan, loaded: [], hadIngress: false }, undefined);
    }),
  );
  const base = baseText({ sentinel, policy: WITH_ALL, exempt: [], fresh: true });
  await before.run(ns, ['-f', '-'], { input: [base, ...ports].join('\n') });
  const listed = await list(before, ns);
  assert.ok([A, V].every(({ mac }) => listed.includes(mac)));
  await before.run(ns, ['flush', 'ruleset']);
  await after.run(ns, ['-f', '-'], { input: listed });
  return dom0;
}
