/** A host whose FORWARD chain drops, and bridged packets pass it (Docker in dom0): real iptables, real br_netfilter. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import { A, frame, G, ip4, ip6, TYPE, udp, udp6, V } from './frames.ts';
import { GUEST_A } from './verdict.ts';

const CALLS = '/proc/sys/net/bridge/bridge-nf-call-iptables';
const skip =
  obstacle() || (!existsSync(CALLS) && 'needs br_netfilter') || (!existsSync('/usr/sbin/iptables') && 'needs iptables');

const v4 = frame(G.mac, A.mac, TYPE.ip, ip4({ dst: G.ip }, udp(9, 9)));
const ends6 = { src: A.ip6, dst: G.ip6 };
const v6 = frame(G.mac, A.mac, TYPE.ip6, ip6(ends6, udp6(ends6, 9, 9)));
const spoofed = frame(G.mac, A.mac, TYPE.ip, ip4({ src: V.ip, dst: G.ip }, udp(9, 9)));

interface Around {
  readonly policy?: string;
  /** bridge-nf-call-iptables and -ip6tables. */
  readonly calls?: 0 | 1;
  readonly drops?: boolean;
}

async function around(t: test.TestContext, { policy = '', calls = 1, drops = true }: Around): Promise<Dom0> {
  const dom0 = await openDom0(t, { policy });
  for (const family of ['iptables', 'ip6tables']) {
    await dom0.ns.check(['sh', '-c', `echo ${calls} >/proc/sys/net/bridge/bridge-nf-call-${family}`]);
    if (drops) await dom0.ns.check([family, '-P', 'FORWARD', 'DROP']);
  }
  return dom0;
}

/** The rules of both FORWARD chains. */
async function rules(dom0: Dom0): Promise<string[]> {
  const texts = await Promise.all(
    ['iptables', 'ip6tables'].map(async (filter) =>
      (await dom0.ns.check([filter, '-S', 'FORWARD']))
        .split('\n')
        .flatMap((line) => (line.startsWith('-A') ? [`${filter} ${line}`] : [])),
    ),
  );
  return texts.flat();
}

async function passes(dom0: Dom0): Promise<boolean[]> {
  const wire = await dom0.openWire(['guest1.0', 'gw0']);
  // The bridge knows where the gateway is.
  await wire.send('gw0', frame('ff:ff:ff:ff:ff:ff', G.mac, 0x88b5, '00'.repeat(46)));
  const arrived: boolean[] = [];
  for (const hex of [v4, v6, spoofed]) {
    await wire.collect(0);
    await wire.send('guest1.0', hex);
    arrived.push((await wire.collect()).some((seen) => seen.iface === 'gw0' && seen.hex === hex));
  }
  await wire.exit();
  return arrived;
}

test('host_accept', { skip, concurrency: 2 }, async (t) => {
  await t.test('auto: packets of a guest pass a chain that drops, and the rules go with it', async (t) => {
    const dom0 = await around(t, {});
    await dom0.start(GUEST_A);
    assert.equal((await rules(dom0)).length, 4);
    assert.ok(
      (await rules(dom0)).every((rule) => /physdev-(in|out) vif1\.0 .*physdev-is-bridged -j ACCEPT$/.test(rule)),
    );
    assert.deepEqual(await passes(dom0), [true, true, false]);
    // Once more puts no second one.
    assert.equal((await dom0.hotplug('online', { domid: 1 })).status, 0);
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    assert.equal((await rules(dom0)).length, 4);
    assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
    assert.deepEqual(await rules(dom0), []);
    // One that vanished without an offline leaves nothing either.
    await dom0.start({ ...GUEST_A, domid: 2 });
    assert.equal((await rules(dom0)).length, 4);
    await dom0.bench.removeVif('vif2.0');
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    assert.deepEqual(await rules(dom0), []);
  });

  await t.test('what others flush is seen, and put right; a guest that goes leaves those of others', async (t) => {
    const dom0 = await around(t, {});
    await dom0.start(GUEST_A);
    await dom0.start({ domid: 2, mac: V.mac, ip: `${V.ip} ${V.ip6}` });
    const all = await rules(dom0);
    assert.equal(all.length, 8);
    const silenced = async (): Promise<string[]> =>
      (await dom0.status()).flatMap((port) =>
        ((port as unknown as { notes: { text: string }[] }).notes ?? []).flatMap(({ text }) =>
          text.includes('FORWARD') ? [`${port.name} ${text.split(' ')[0]}`] : [],
        ),
      );
    const found = async (): Promise<string[]> =>
      (
        JSON.parse((await dom0.admin(['verify', '--json'])).stdout) as {
          vifs: { name: string; drift: { part: string; what: string }[] }[];
        }
      ).vifs.flatMap(({ name, drift }) => drift.map(({ part, what }) => `${name} ${part} ${what}`));
    const doctor = async (): Promise<string> => (await dom0.admin(['doctor'])).stdout;
    assert.deepEqual([await silenced(), await found()], [[], []]);
    assert.doesNotMatch(await doctor(), /drops its packets/);

    // As a reload of firewalld or of a saved file does. The policy of the chain stays.
    await dom0.ns.check(['iptables', '-F', 'FORWARD']);
    assert.deepEqual(await passes(dom0), [false, true, false]);
    assert.deepEqual(await silenced(), ['vif1.0 iptables', 'vif2.0 iptables']);
    assert.deepEqual(await found(), ['vif1.0 host iptables FORWARD', 'vif2.0 host iptables FORWARD']);
    assert.match(await doctor(), /vif1\.0: iptables drops its packets in the chain FORWARD/);
    assert.equal((await dom0.admin(['verify'])).status, 1);
    assert.equal((await dom0.admin(['repair', 'vif2.0'])).status, 0);
    assert.deepEqual(await silenced(), ['vif1.0 iptables']);
    assert.equal((await dom0.admin(['repair'])).status, 0);
    assert.deepEqual((await rules(dom0)).sort(), [...all].sort());
    assert.deepEqual([await silenced(), await found()], [[], []]);
    assert.deepEqual(await passes(dom0), [true, true, false]);

    // Somebody whose rule comes first: ours stand where nobody comes to them.
    await dom0.ns.check(['iptables', '-I', 'FORWARD', '-j', 'REJECT']);
    assert.deepEqual(await silenced(), ['vif1.0 iptables', 'vif2.0 iptables']);
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    assert.deepEqual(await passes(dom0), [true, true, false]);
    assert.equal((await rules(dom0)).length, 9, 'each of ours once');

    assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
    const left = await rules(dom0);
    assert.equal(left.filter((rule) => rule.includes('vif2.0')).length, 4);
    assert.equal(left.length, 5, left.join('\n'));

    // The policy says no since.
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '[defaults]\nhost_accept = no\n');
    assert.equal((await dom0.admin(['reapply', 'vif2.0'])).status, 0);
    assert.deepEqual(await rules(dom0), ['iptables -A FORWARD -j REJECT --reject-with icmp-port-unreachable']);
    assert.deepEqual([await silenced(), await found()], [[], []]);
  });

  await t.test('no: they do not, as the host says', async (t) => {
    const dom0 = await around(t, { policy: '[defaults]\nhost_accept = no\n' });
    await dom0.start(GUEST_A);
    assert.deepEqual(await rules(dom0), []);
    assert.deepEqual(await passes(dom0), [false, false, false]);
  });

  for (const [title, more] of [
    ['bridged packets do not come there', { calls: 0 }],
    ['nothing is dropped there', { drops: false }],
  ] as const) {
    await t.test(`auto: no rule where ${title}`, async (t) => {
      const dom0 = await around(t, more);
      await dom0.start(GUEST_A);
      assert.deepEqual(await rules(dom0), []);
      assert.deepEqual(await passes(dom0), [true, true, false]);
    });
  }

  await t.test(
    'yes: always, for the name the device has in the end; what a changed policy left is taken out',
    async (t) => {
      const dom0 = await around(t, { policy: '[defaults]\nhost_accept = yes\n', calls: 0, drops: false });
      await dom0.start({ ...GUEST_A, vifname: 'web0' });
      assert.equal((await rules(dom0)).filter((rule) => rule.includes(' web0 ')).length, 4);
      writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '[defaults]\nhost_accept = no\n');
      assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
      assert.deepEqual(await rules(dom0), []);
    },
  );

  await t.test('an iptables that fails is a warning, and no guest is closed by it', async (t) => {
    const dom0 = await around(t, { policy: '[defaults]\nhost_accept = yes\n' });
    for (const filter of ['iptables', 'ip6tables']) {
      for (const name of [filter, `${filter}-restore`]) {
        writeFileSync(join(dom0.folder, name), '#!/bin/sh\necho broken >&2\nexit 3\n', { mode: 0o755 });
      }
    }
    const { loggedBy } = await import('./told.ts');
    dom0.configure(GUEST_A);
    await dom0.bench.addVif('vif1.0');
    const log = await loggedBy(dom0, { domid: 1 });
    assert.match(log, /<28>vif1\.0: iptables does not let packets pass: broken/);
    assert.equal(dom0.key(1, 'hotplug-status'), 'connected');
  });
});
