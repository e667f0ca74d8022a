/**
 * The genuine systemd-networkd beside this program, with the configurations that admins have: whatever it does to a
 * port, the guest never talks unfiltered, `status` says what is wrong, and `reapply` cures it.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { waitForForwarding } from '../lab/bench.ts';
import { startNetworkd } from '../lab/networkd.ts';
import type { Wire } from '../lab/wire.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import { A, frame, G, ip4, TYPE, udp, V } from './frames.ts';
import { GUEST_A, GUEST_V } from './verdict.ts';

const skip = obstacle();
const GOOD = frame(G.mac, A.mac, TYPE.ip, ip4({}, udp(9, 9)));
const FORGED = [
  frame(G.mac, A.mac, TYPE.ip, ip4({ src: V.ip }, udp(9, 9))),
  frame(G.mac, V.mac, TYPE.ip, ip4({ src: V.ip }, udp(9, 9))),
];

interface Story {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly vifname?: string;
  /** What networkd does to the port, seen from outside. */
  readonly done: (link: { group?: string | undefined; master?: string | undefined }) => boolean;
  /** It leaves the port as it is. */
  readonly harmless?: true;
}

/** Networkd only puts ports on bridges that it knows. */
const BRIDGE = { '10-br0.netdev': '[NetDev]\nName=br0\nKind=bridge\n' };

const STORIES: readonly Story[] = [
  {
    name: 'that gives vif* a group',
    files: { ...BRIDGE, '10-vif.network': '[Match]\nName=vif*\n[Link]\nGroup=5\n[Network]\nBridge=br0\n' },
    done: ({ group, master }) => group === '5' && master === 'br0',
  },
  {
    name: 'that gives a renamed vif a group',
    files: { ...BRIDGE, '10-web.network': '[Match]\nName=web*\n[Link]\nGroup=5\n[Network]\nBridge=br0\n' },
    vifname: 'web01',
    done: ({ group, master }) => group === '5' && master === 'br0',
  },
  {
    name: 'that takes every interface for its own',
    files: { '10-all.network': '[Match]\nName=*\n[Network]\nDHCP=no\n' },
    done: ({ master }) => master === undefined,
  },
  {
    name: 'that is told to leave them alone',
    files: { '10-vif.network': '[Match]\nName=vif*\n[Link]\nUnmanaged=yes\n' },
    done: ({ master }) => master === 'br0',
    harmless: true,
  },
];

for (const story of STORIES) {
  test(`networkd ${story.name}`, { skip }, async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...GUEST_A, ...(story.vifname === undefined ? {} : { vifname: story.vifname }) });
    await dom0.start(GUEST_V);
    const name = story.vifname ?? 'vif1.0';
    const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0', 'br0']);
    assert.equal(await arrives(wire, GOOD), true);

    const networkd = await startNetworkd(dom0.ns, story.files);
    try {
      await untilDone(dom0, name, story);
      if ((await dom0.link(name))?.master === 'br0') await waitForForwarding(dom0.ns, name);
      for (const hex of FORGED) assert.equal(await arrives(wire, hex), false);
    } finally {
      await networkd.stop();
    }
    const state = async (): Promise<string | undefined> =>
      (await dom0.status()).find((port) => port.device === 'vif1.0')?.state;
    if (story.harmless !== true) {
      assert.equal(await state(), 'damaged');
      assert.equal((await dom0.admin(['status'])).status, 1);
    }
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    assert.equal(await state(), 'managed');
    await waitForForwarding(dom0.ns, name);
    assert.equal(await arrives(wire, GOOD), true);
    for (const hex of FORGED) assert.equal(await arrives(wire, hex), false);
  });
}

/** Whether anybody but its sender sees a frame of the first guest. */
async function arrives(wire: Wire, hex: string): Promise<boolean> {
  await wire.collect(0);
  await wire.send('guest1.0', hex);
  return (await wire.collect()).some((seen) => seen.hex === hex && seen.iface !== 'guest1.0');
}

async function untilDone(dom0: Dom0, name: string, { done }: Story): Promise<void> {
  for (let waited = 0; ; waited += 100) {
    const [link] = JSON.parse(await dom0.ns.check(['ip', '-j', 'link', 'show', 'dev', name])) as [
      { group?: string; master?: string },
    ];
    // It touches a port more than once: what counts is what it looks like in the end.
    if (done(link) && waited >= 1_500) return;
    if (waited > 15_000) assert.fail(`systemd-networkd left ${name} as ${JSON.stringify(link)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
