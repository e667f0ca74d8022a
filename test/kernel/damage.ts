/**
 * What somebody else does to a port of ours, or to our rules: the port never passes what is not its own, `status` calls
 * it damaged and fails, and `reapply` of that port repairs what it stands on.
 */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { waitForForwarding } from '../lab/bench.ts';
import type { Wire } from '../lab/wire.ts';
import { type Dom0, type Guest, obstacle, openDom0 } from './dom0.ts';
import { A, ALL, arp, frame, G, ip4, TYPE, udp, V } from './frames.ts';

type Backend = 'nftables' | 'ebtables';

const skip = obstacle();
const ONE: Guest = { domid: 1, mac: A.mac, ip: A.ip };
const NAMED: Guest = { ...ONE, vifname: 'web01' };
const TWO: Guest = { domid: 2, mac: V.mac, ip: V.ip };

const own = frame(ALL, A.mac, TYPE.arp, arp({ sha: A.mac, spa: A.ip, tpa: G.ip }));
const FORGED: Readonly<Record<string, string>> = {
  ARP: frame(ALL, A.mac, TYPE.arp, arp({ op: 2, sha: A.mac, spa: G.ip, tha: V.mac })),
  IP: frame(G.mac, A.mac, TYPE.ip, ip4({ src: V.ip, dst: G.ip }, udp(9, 9))),
  MAC: frame(G.mac, V.mac, TYPE.ip, ip4({ src: V.ip, dst: G.ip }, udp(9, 9))),
};

async function arrives(wire: Wire, hex: string, at: string): Promise<boolean> {
  await wire.collect(0);
  await wire.send('guest1.0', hex);
  return (await wire.collect()).some((seen) => seen.iface === at && seen.hex === hex);
}

/** What passes that must not, at the gateway of a bridge. */
async function forgedAt(wire: Wire, at: string): Promise<string[]> {
  const passed: string[] = [];
  for (const [name, hex] of Object.entries(FORGED)) if (await arrives(wire, hex, at)) passed.push(name);
  return passed;
}

async function stateOf(dom0: Dom0, domid = 1): Promise<{ state: string; said: string }> {
  const port = (await dom0.status()).find(({ device }) => device === `vif${domid}.0`);
  return { state: port?.state ?? 'none', said: port?.open.join('\n') ?? '' };
}

async function openHost(t: TestContext, backend: Backend, guest: Guest): Promise<Dom0> {
  const dom0 = await openDom0(t, { policy: `[defaults]\nbackend = ${backend}\n` });
  await dom0.start(guest);
  await dom0.start(TWO);
  return dom0;
}

/** A second bridge, with somebody behind it. */
async function otherBridge(dom0: Dom0): Promise<void> {
  await dom0.ns.check(['sh', '-e'], {
    input: `ip link add br1 type bridge forward_delay 0
      ip link add up1 type veth peer name gw1
      ip link set up1 master br1
      for dev in br1 up1 gw1; do ip link set $dev up; done
    `,
  });
  await waitForForwarding(dom0.ns, 'up1');
}

interface Change {
  /** Commands; %s is the name of the port. */
  readonly commands: readonly string[];
  /** What it is called then. */
  readonly name?: string;
  readonly at?: string;
  /** The link goes down meanwhile, as kernels before 6.2 want it. */
  readonly said: RegExp;
}

const RENAME = ['ip link set %s down', 'ip link set %s name stranger', 'ip link set stranger up'];
const CHANGES: Readonly<Record<string, Change>> = {
  'another group': { commands: ['ip link set %s group 5'], said: /interface group 5/ },
  'no group': { commands: ['ip link set %s group 0'], said: /interface group 0/ },
  'another name': { commands: RENAME, name: 'stranger', said: /renamed/ },
  'another name and another group': {
    commands: [...RENAME, 'ip link set stranger group 5'],
    name: 'stranger',
    said: /renamed/,
  },
  'another bridge': { commands: ['ip link set %s master br1'], at: 'gw1', said: /is on br1, and was on br0/ },
  'another bridge, name and group': {
    commands: [...RENAME, 'ip link set stranger group 5 master br1'],
    name: 'stranger',
    at: 'gw1',
    said: /renamed/,
  },
  'its bridge anew': {
    commands: ['ip link set %s nomaster', 'ip link set %s master br0'],
    said: /somebody has joined it anew/,
  },
  'no bridge': { commands: ['ip link set %s nomaster'], said: /is on no bridge/ },
};

/** How the rules are damaged; %s is the name of the port. */
const DAMAGES: Readonly<Record<Backend, readonly string[]>> = {
  nftables: [
    'nft flush ruleset',
    'nft flush table bridge xen-vif',
    'nft delete table bridge xen-vif',
    'nft flush chain bridge xen-vif prerouting',
    'nft flush chain bridge xen-vif postrouting',
    'nft flush chain bridge xen-vif from-guest/start',
    'nft flush chain bridge xen-vif from-guest/drop-ip-src',
    'nft insert rule bridge xen-vif from-guest/start accept',
    'nft flush set bridge xen-vif managed',
    'nft flush set bridge xen-vif ports',
    'nft flush set bridge xen-vif own-ip',
    'nft flush set bridge xen-vif own-mac-raw',
  ],
  ebtables: [
    'ebtables -t nat -F',
    'ebtables -t filter -F',
    'ebtables -t nat -F PREROUTING',
    'ebtables -t nat -F POSTROUTING',
    'ebtables -t nat -F xen-vif/in-ports',
    'ebtables -t nat -F xen-vif/out',
    'ebtables -t nat -F vif1.0-in',
  ],
};

/** All of it, with one backend. */
export function testDamage(backend: Backend): void {
  test(`a port of ours gets (${backend})`, { skip, concurrency: 2 }, async (t) => {
    for (const [what, change] of Object.entries(CHANGES)) {
      for (const guest of [ONE, NAMED]) {
        const name = guest.vifname ?? 'vif1.0';
        await t.test(`${what} (${name})`, async (t) => {
          const dom0 = await openHost(t, backend, guest);
          await otherBridge(dom0);
          const input = change.commands.map((command) => `${command.replaceAll('%s', name)}\n`).join('');
          await dom0.ns.check(['sh', '-e'], { input });
          const now = change.name ?? name;
          if (what !== 'no bridge') await waitForForwarding(dom0.ns, now);
          const wire = await dom0.openWire(['guest1.0', 'gw0', 'gw1']);
          const at = change.at ?? 'gw0';
          assert.deepEqual(await forgedAt(wire, at), []);
          const damaged = await stateOf(dom0);
          assert.equal(damaged.state, 'damaged');
          assert.match(damaged.said, change.said);
          assert.match(damaged.said, new RegExp(`vif-bridge reapply ${now}$`));
          assert.deepEqual((await stateOf(dom0, 2)).state, 'managed');
          const repaired = await dom0.admin(['reapply', now]);
          assert.equal(repaired.status, 0, repaired.stderr);
          assert.equal((await stateOf(dom0)).state, 'managed');
          await waitForForwarding(dom0.ns, now);
          assert.ok(await arrives(wire, own, 'gw0'));
          assert.deepEqual(await forgedAt(wire, 'gw0'), []);
        });
      }
    }
  });

  test(`rules that are damaged (${backend})`, { skip, concurrency: 2 }, async (t) => {
    for (const damage of DAMAGES[backend]) {
      await t.test(damage, async (t) => {
        const dom0 = await openHost(t, backend, ONE);
        await dom0.ns.check(damage.split(' '));
        const before = await stateOf(dom0);
        assert.equal(before.state, 'damaged');
        assert.match(before.said, /repair with: vif-bridge reapply vif1\.0$/);
        assert.equal((await dom0.admin(['status', 'vif1.0'])).status, 1);
        const repaired = await dom0.admin(['reapply', 'vif1.0']);
        assert.equal(repaired.status, 0, repaired.stderr);
        assert.equal((await stateOf(dom0)).state, 'managed');
        assert.equal((await dom0.admin(['status', 'vif1.0'])).status, 0);
        const wire = await dom0.openWire(['guest1.0', 'gw0']);
        assert.ok(await arrives(wire, own, 'gw0'));
        assert.deepEqual(await forgedAt(wire, 'gw0'), []);
      });
    }
  });
}
