/** Of a vif that this host routes for `verify` tells elements, chains, routes and settings; repair puts them right. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { guestGroup } from '../../src/port/guest-group.ts';
import { type Dom0, obstacle } from './dom0.ts';
import { openRoutedSite } from './routed-site.ts';
import { verified } from './verified.ts';

const skip = obstacle();
const MAC = '00:16:3e:00:00:01';

/** What somebody does to vif1.0, as a shell reads it, and what is to be said. */
interface Harm {
  readonly name: string;
  readonly does: string | ((dom0: Dom0) => void);
  readonly says: readonly string[];
}

const TABLE = 'netdev xen-vif-route';

const HARM: readonly Harm[] = [
  {
    name: 'an address that somebody added',
    does: `nft add element ${TABLE} own-ip-raw '{ GROUP . 0x0a000063 }'`,
    says: ['vif1.0 rules own-ip-raw: null -> 10.0.0.99'],
  },
  {
    name: 'a block that somebody added',
    does: `nft add element ${TABLE} own-ip-block '{ GROUP . 0x0a000000-0x0a0000ff }'`,
    says: ['vif1.0 rules own-ip-block: null -> 10.0.0.0-10.0.0.255'],
  },
  {
    name: 'a flag that somebody added',
    does: `nft add element ${TABLE} any '{ GROUP }'`,
    says: ['vif1.0 rules any: null -> the port'],
  },
  {
    name: 'an address that is lost',
    does: `nft delete element ${TABLE} own-ip-raw '{ GROUP . 0x0a000005 }'`,
    says: ['vif1.0 rules own-ip-raw: 10.0.0.5 -> null'],
  },
  {
    name: 'its chain lets all pass',
    does: `nft insert rule ${TABLE} in/vif1.0 accept`,
    says: ['vif1.0 rules rules: as they were loaded -> its chains at the device are not as they were loaded'],
  },
  {
    name: 'another rule in the place of ours',
    does: `nft flush chain ${TABLE} in/vif1.0; nft add rule ${TABLE} in/vif1.0 accept; nft add rule ${TABLE} in/vif1.0 drop`,
    says: ['vif1.0 rules rules: as they were loaded -> its chains at the device are not as they were loaded'],
  },
  {
    name: 'its addresses may come from elsewhere',
    does: 'nft delete element inet xen-vif-route ports \'{ "vif1.0" }\'',
    says: ['vif1.0 rules inet xen-vif-route ports: vif1.0 -> null'],
  },
  {
    name: 'so may what is near them',
    does: "nft delete element inet xen-vif-route near '{ 198.51.100.0 }'; nft delete element inet xen-vif-route near6 '{ 2001:db8:5:: }'",
    says: [
      'vif1.0 rules inet xen-vif-route near6: 2001:db8:5:: -> null',
      'vif1.0 rules inet xen-vif-route near: 198.51.100.0 -> null',
    ],
  },
  {
    name: 'those of all may',
    does: 'nft flush chain inet xen-vif-route prerouting',
    says: ['all rules rules of routed vifs: as they were loaded -> what all vifs share is not as it was loaded'],
  },
  {
    name: 'the table for that is gone',
    does: 'nft delete table inet xen-vif-route',
    says: ['all rules rules of routed vifs: as they were loaded -> what all vifs share is not as it was loaded'],
  },
  {
    name: 'all rules are gone',
    does: 'nft flush ruleset',
    says: ['all rules rules of routed vifs: as they were loaded -> the rules are gone'],
  },
  {
    name: 'a route, a neighbour and a proxy entry',
    does: 'ip route del 10.0.0.5 dev vif1.0; ip neigh del 10.0.0.5 dev vif1.0; ip neigh del proxy 10.0.0.5 dev br0',
    says: [
      'vif1.0 port neighbour: 10.0.0.5 is 00:16:3e:00:00:01 -> 10.0.0.5 is not told',
      'vif1.0 port proxy: 10.0.0.5 at br0 -> none',
      'vif1.0 port route: 10.0.0.5 metric 2 -> none',
    ],
  },
  {
    name: 'a block, and the only address of the host, with which all of IPv4 goes',
    does: 'ip route del 2001:db8:5::/64 dev vif1.0; ip addr del 10.0.0.1/32 dev vif1.0',
    says: [
      'vif1.0 port address: 10.0.0.1/32 -> none',
      'vif1.0 port neighbour: 10.0.0.5 is 00:16:3e:00:00:01 -> 10.0.0.5 is not told',
      'vif1.0 port route: 10.0.0.5 metric 2 -> none',
      'vif1.0 port route: 198.51.100.8/30 via 10.0.0.5 metric 2 -> none',
      'vif1.0 port route: 2001:db8:5::/64 via fe80::216:3eff:fe00:1 metric 2 -> none',
    ],
  },
  {
    name: 'settings, and the MTU',
    does: 'echo 0 >/proc/sys/net/ipv4/conf/vif1.0/rp_filter; echo 0 >/proc/sys/net/ipv4/conf/vif1.0/proxy_arp; ip link set vif1.0 mtu 1400',
    says: [
      'vif1.0 port ipv4/conf/vif1.0/proxy_arp: 1 -> 0',
      'vif1.0 port ipv4/conf/vif1.0/rp_filter: 1 -> 0',
      'vif1.0 port mtu: 1500 -> 1400',
    ],
  },
  {
    name: 'the policy has changed',
    does: (dom0) => writeFileSync(join(dom0.folder, 'vif-bridge.ini'), `[mac ${MAC}]\nallow = forwarding\n`),
    says: ['vif1.0 rules forwarding: the port -> null'],
  },
];

test('verify and repair of a routed vif', { skip }, async (t) => {
  const site = await openRoutedSite(t);
  const { dom0 } = site;
  await site.start({ domid: 1, mac: MAC, ip: '10.0.0.5 198.51.100.8/30 fd00::5 2001:db8:5::/64' });
  await site.start({ domid: 2, mac: '00:16:3e:00:00:02', ip: '10.0.0.6 fd00::6' });
  const group = String(guestGroup((await dom0.link('vif1.0'))?.ifindex));
  await t.test('all is well at first', async () => {
    assert.deepEqual(await verified(dom0).then(({ status, lines }) => [status, lines]), [0, []]);
    assert.deepEqual(await verified(dom0, 'vif1.0').then(({ status, lines }) => [status, lines]), [0, []]);
  });
  for (const { name, does, says } of HARM) {
    await t.test(name, async () => {
      if (typeof does === 'string') await dom0.ns.check(['sh', '-ec', does.replaceAll('GROUP', group)]);
      else does(dom0);
      for (const names of [['vif1.0'], []]) {
        const { status, lines } = await verified(dom0, ...names);
        assert.deepEqual([status, lines.sort()], [1, [...says].sort()]);
      }
      const ofAll = says.every((line) => line.startsWith('all '));
      assert.equal((await verified(dom0, 'vif2.0')).status, ofAll ? 1 : 0);
      const repaired = await dom0.admin(['repair', 'vif1.0']);
      assert.equal(repaired.status, 0, repaired.stderr);
      assert.deepEqual(await verified(dom0).then(({ status, lines }) => [status, lines]), [0, []]);
    });
  }
  await t.test('a host that does not forward any more', async () => {
    await dom0.ns.check(['sh', '-c', 'echo 0 >/proc/sys/net/ipv4/ip_forward']);
    const { status, lines } = await verified(dom0, 'vif2.0');
    // The kernel takes that for all devices.
    assert.ok(lines.includes('vif2.0 host net.ipv4.ip_forward: 1 -> 0'), lines.join('\n'));
    assert.equal(status, 1);
    const { status: failed, stderr } = await dom0.admin(['repair', 'vif2.0']);
    assert.equal(failed, 2);
    assert.match(stderr, /this host does not forward IPv4[\s\S]*sysctl -w net\.ipv4\.ip_forward=1/);
    await dom0.ns.check(['sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward']);
    assert.equal((await dom0.admin(['repair'])).status, 0);
    assert.equal((await verified(dom0)).status, 0);
  });
});
