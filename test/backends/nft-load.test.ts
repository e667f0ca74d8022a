import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import type { PlannedPort } from '../../src/backends/backend.ts';
import {
  LIST_INGRESS,
  LIST_TABLE,
  parseDrops,
  parseIngressDrops,
  parseUnmanagedDrops,
  readListing,
  setsOf,
} from '../../src/backends/nftables/counters.ts';
import { baseText, leaveText, portText } from '../../src/backends/nftables/text.ts';
import type { LoadedTerms } from '../../src/filter/own-terms.ts';
import { buildPlan, NO_IP_CHOICES, type NoIp } from '../../src/filter/plan.ts';
import { counterCode } from '../../src/filter/reasons.ts';
import { guestGroup } from '../../src/port/guest-group.ts';
import type { IdentityValues } from '../../src/xen/vif-identity.ts';
import { ALL_LIMITED, vifWith } from '../filter/vif.ts';
import { createNamespace, type Namespace, namespaceObstacle } from '../lab/namespace.ts';

const obstacle =
  namespaceObstacle() ??
  (spawnSync('nft', ['--version']).error === undefined ? undefined : 'needs nft (Debian: nftables)');
const skip = obstacle ?? false;
const SENTINEL = 'base/0123-4567';
const BASE = baseText({ sentinel: SENTINEL, policy: { unmanaged: 'closed' }, exempt: [], fresh: true });

/** A namespace with the devices that the rules name. */
async function host(
  t: TestContext,
  ...devices: string[]
): Promise<{ ns: Namespace; index: (device: string) => number }> {
  const ns = await createNamespace('nft text');
  t.after(() => ns.remove());
  for (const device of devices) await ns.check(['ip', 'link', 'add', device, 'type', 'bridge']);
  const links = JSON.parse(await ns.check(['ip', '-j', 'link'])) as { ifname: string; ifindex: number }[];
  return { ns, index: (device) => links.find((link) => link.ifname === device)?.ifindex ?? -1 };
}

function planned(
  values: IdentityValues,
  ifindex: number | undefined,
  more: { noIp?: NoIp; ingress?: boolean } = {},
): PlannedPort {
  const plan = buildPlan(vifWith(values), { ...ALL_LIMITED, mode: 'locked', no_ip: more.noIp ?? 'mac-only' }, [
    '10.255.255.255',
  ]);
  return {
    port: { device: 'vif1.0', name: 'vif1.0', bridge: 'br0', ifindex, ingress: more.ingress ?? false },
    plan,
    loaded: [],
    hadIngress: false,
  };
}

const load = (ns: Namespace, ...texts: string[]): Promise<string> =>
  ns.check(['nft', '-f', '-'], { input: texts.join('\n') });
/** The ruleset; the table of the ingress chains is made with the first of them and stays when it is empty. */
const listed = async (ns: Namespace): Promise<string> =>
  (await ns.check(['nft', 'list', 'ruleset'])).replace('table netdev xen-vif {\n}\n', '');

test('nft loads the base and a vif of every kind, over and over, to the same ruleset', { skip }, async (t) => {
  const { ns, index } = await host(t, 'vif1.0');
  const kinds = [
    planned({ ip: '192.0.2.10 2001:db8::10' }, index('vif1.0')),
    planned({ ip: '192.0.2.5/24 198.51.100.0/28 2001:db8::5/64 2001:db8:1::/56' }, index('vif1.0'), { ingress: true }),
    ...NO_IP_CHOICES.map((noIp) => planned({}, index('vif1.0'), { noIp })),
  ];
  for (const kind of kinds) {
    await load(ns, BASE, portText(kind, undefined));
    const first = await listed(ns);
    await load(ns, portText(kind, SENTINEL));
    await load(ns, portText(kind, SENTINEL));
    assert.equal(await listed(ns), first);
    await load(
      ns,
      baseText({ sentinel: SENTINEL, policy: { unmanaged: 'closed' }, exempt: [], fresh: false }),
      portText(kind, undefined),
    );
    assert.equal(await listed(ns), first);
  }
});

test('nft takes the text of a dry run for a device that is not there', { skip }, async (t) => {
  const { ns } = await host(t);
  await load(ns, BASE, portText(planned({ ip: '192.0.2.1' }, undefined), undefined));
  assert.match(await listed(ns), /1073741824 \. 00:16:3e:00:00:01 \. 192\.0\.2\.1/);
});

test('a vif that left has left nothing, whatever kind it was', { skip }, async (t) => {
  const { ns, index } = await host(t, 'vif1.0');
  await load(ns, BASE);
  const before = await listed(ns);
  for (const noIp of NO_IP_CHOICES) {
    for (const ip of ['', '192.0.2.5/24 198.51.100.0/28 2001:db8::5']) {
      const port = planned({ ip }, index('vif1.0'), { noIp, ingress: true });
      await load(ns, portText(port, SENTINEL));
      await load(ns, `add element bridge xen-vif drops { ${guestGroup(index('vif1.0'))} . 0x00000016 }`);
      const loaded = [{ ifindex: index('vif1.0'), ...port.plan.terms }];
      await load(ns, leaveText({ device: 'vif1.0', loaded, hadIngress: true }, SENTINEL));
      assert.equal(await listed(ns), before);
    }
  }
});

test('a vif that becomes another one keeps nothing of what it was', { skip }, async (t) => {
  const { ns, index } = await host(t, 'vif1.0');
  const ifindex = index('vif1.0');
  const kinds: readonly (readonly [IdentityValues, NoIp])[] = [
    [{ ip: '192.0.2.5/24 2001:db8::5' }, 'deny'],
    [{ ip: '192.0.2.6' }, 'deny'],
    [{}, 'deny'],
    [{}, 'unrestricted'],
    [{ mac: '00:16:3e:00:00:02' }, 'mac-only'],
    [{ ip: '2001:db8::/64' }, 'deny'],
  ];
  for (const [before, beforeNoIp] of kinds) {
    for (const [after, afterNoIp] of kinds) {
      const old = planned(before, ifindex, { noIp: beforeNoIp, ingress: true });
      const now = planned(after, ifindex, { noIp: afterNoIp });
      await load(ns, BASE, portText(now, undefined));
      const wanted = await listed(ns);
      const loaded = [{ ifindex, ...old.plan.terms }];
      await load(ns, BASE, portText(old, undefined));
      await load(ns, portText({ ...now, loaded, hadIngress: true }, SENTINEL));
      assert.equal(await listed(ns), wanted, `${JSON.stringify(before)} -> ${JSON.stringify(after)}`);
    }
  }
});

test('a vif of which two states may be loaded leaves, though their blocks overlap', { skip }, async (t) => {
  const { ns, index } = await host(t, 'vif1.0');
  const ifindex = index('vif1.0');
  await load(ns, BASE);
  const before = await listed(ns);
  const states = ['192.0.2.0/24 2001:db8::/64', '192.0.2.0/25 2001:db8::/80', '192.0.2.128/25'];
  const ports = states.map((ip) => planned({ ip }, ifindex));
  const loaded = ports.map(({ plan }) => ({ ifindex, ...plan.terms }));
  const [first] = ports;
  assert.ok(first);
  await load(ns, portText(first, SENTINEL));
  await load(ns, leaveText({ device: 'vif1.0', loaded, hadIngress: false }, SENTINEL));
  assert.equal(await listed(ns), before);
});

test('nft refuses a change as a whole on a table that is not the one of the state', { skip }, async (t) => {
  const { ns, index } = await host(t, 'vif1.0');
  const port = planned({ ip: '192.0.2.1' }, index('vif1.0'));
  const change = async (sentinel: string): Promise<string> =>
    (await ns.run(['nft', '-f', '-'], { input: portText(port, sentinel) })).stderr;
  assert.match(await change(SENTINEL), /No such file or directory/);
  await load(ns, BASE);
  const before = await listed(ns);
  assert.match(await change('base/0123-ffff'), /No such file or directory/);
  assert.equal(await listed(ns), before);
});

test('nft takes whatever addresses the parser accepts', { skip }, async (t) => {
  const { ns, index } = await host(t, 'vif1.0');
  const octet = fc.integer({ min: 1, max: 223 }).filter((byte) => byte !== 127);
  const ipv4 = fc
    .tuple(octet, fc.nat(255), fc.nat(255), fc.constantFrom(8, 9, 17, 23, 24, 30, 31, 32))
    .map(([a, b, c, length]) => {
      const base = ((a << 24) | (b << 16) | (c << 8)) & (-1 << (32 - length));
      return `${[24, 16, 8, 0].map((shift) => (base >>> shift) & 255).join('.')}/${length}`;
    });
  const ipv6 = fc
    .tuple(fc.integer({ min: 0x2000, max: 0x3fff }), fc.nat(0xffff), fc.constantFrom(16, 32, 48, 64, 127, 128))
    .map(
      ([a, b, length]) =>
        `${a.toString(16)}:${length > 16 ? b.toString(16) : '0'}::${length === 128 ? '7' : ''}/${length}`,
    );
  const lists = fc.sample(fc.array(fc.oneof(ipv4, ipv6), { minLength: 1, maxLength: 8 }), 40);
  await load(ns, BASE);
  const ifindex = index('vif1.0');
  let loaded: LoadedTerms[] = [];
  for (const list of lists) {
    const port = planned({ ip: list.join(' ') }, ifindex);
    await load(ns, portText({ ...port, loaded }, SENTINEL));
    loaded = [{ ifindex, ...port.plan.terms }];
  }
});

test('the counters are read as nft prints them', { skip }, async (t) => {
  const { ns, index } = await host(t, 'vif1.0', 'vif2.0');
  const port = planned({ ip: '192.0.2.1' }, index('vif1.0'), { ingress: true });
  await load(ns, BASE, portText(port, undefined));
  const code = (direction: 'from-guest' | 'to-guest', reason: 'ip-src' | 'unmanaged'): number =>
    counterCode(direction, reason);
  const group = guestGroup(index('vif1.0'));
  await load(
    ns,
    `add element bridge xen-vif drops { ${group} . ${code('from-guest', 'ip-src')} counter packets 3 bytes 180 }\n`,
    `add element bridge xen-vif drops { ${group} . 0x0fff, 7 . ${code('from-guest', 'ip-src')} }\n`,
    `add element bridge xen-vif drops-unmanaged { "vif2.0" . ${code('to-guest', 'unmanaged')} counter packets 1 bytes 60 }\n`,
  );
  const sets = setsOf(readListing(await ns.check(['nft', ...LIST_TABLE])));
  assert.deepEqual(parseDrops(sets), [
    { ifindex: index('vif1.0'), direction: 'from-guest', reason: 'ip-src', packets: 3, bytes: 180 },
  ]);
  const unmanaged = [{ ifindex: index('vif2.0'), direction: 'to-guest', reason: 'unmanaged', packets: 1, bytes: 60 }];
  assert.deepEqual(parseUnmanagedDrops(sets, index), unmanaged);
  assert.deepEqual(parseIngressDrops(readListing(await ns.check(['nft', ...LIST_INGRESS])), index), []);
});

test('an ingress counter is read under the device its chain is named after', () => {
  const rule = (chain: string, packets: number): unknown => ({
    rule: { chain, expr: [{ match: {} }, { counter: { packets, bytes: packets * 60 } }, { drop: null }] },
  });
  const json = JSON.stringify({
    nftables: [{ metainfo: {} }, rule('vif1.0', 2), rule('vif2.0', 0), rule('vif9.9', 4)],
  });
  assert.deepEqual(
    parseIngressDrops(readListing(json), (device) => (device === 'vif1.0' ? 5 : device === 'vif2.0' ? 6 : undefined)),
    [{ ifindex: 5, direction: 'from-guest', reason: 'link-local', packets: 2, bytes: 120 }],
  );
});
