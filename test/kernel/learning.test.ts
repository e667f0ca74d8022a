/** Addresses that a DHCP server gives: learned in the kernel, by frames. Real clients: dhcp-programs.test.ts. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { Wire } from '../lab/wire.ts';
import { CORPUS } from './corpus.ts';
import { type Dom0, obstacle } from './dom0.ts';
import { A, ALL, arp, type Dhcp, dhcp, frame, G, ip4, TYPE, tcp, udp, V } from './frames.ts';
import { GUEST_A, GUEST_V, openGuests, testFrames } from './verdict.ts';

const skip = obstacle();
const LEARNS = '[guest guest1]\nlearn = dhcp\n';
/** The guest A, of whom nobody wrote down an address. */
const LEARNER = { domid: 1, mac: A.mac };
const ENDS = ['guest1.0', 'guest2.0', 'gw0'];

interface Answer extends Dhcp {
  /** Who sends it, and from which MAC and address. */
  readonly from?: string;
  readonly mac?: string;
  readonly ip?: string;
  readonly dst?: string;
}

/** What a server sends: an acknowledgement of A's address to all, unless told. */
function answer({ from: _, mac = G.mac, ip = G.ip, dst = '255.255.255.255', ...message }: Answer = {}): string {
  const body = dhcp({ op: 2, message: 5, yiaddr: A.ip, ...message });
  return frame(dst === '255.255.255.255' ? ALL : A.mac, mac, TYPE.ip, ip4({ src: ip, dst }, udp(67, 68, body)));
}

const RELEASE = frame(G.mac, A.mac, TYPE.ip, ip4({ dst: G.ip }, udp(68, 67, dhcp({ message: 7, ciaddr: A.ip }))));
const DISCOVER = frame(ALL, A.mac, TYPE.ip, ip4({ src: '0.0.0.0', dst: '255.255.255.255' }, udp(68, 67, dhcp({}))));
const packet = (src = A.ip): string => frame(G.mac, A.mac, TYPE.ip, ip4({ src, dst: G.ip }, udp(9, 9)));
const toGuest = (dst = A.ip): string => frame(A.mac, G.mac, TYPE.ip, ip4({ src: G.ip, dst }, tcp(9, 9)));
const arpFrom = (spa: string): string => frame(ALL, A.mac, TYPE.arp, arp({ spa, tpa: G.ip }));
const probe = (tpa: string): string => frame(ALL, A.mac, TYPE.arp, arp({ spa: '0.0.0.0', tpa }));

interface Play {
  readonly dom0: Dom0;
  readonly wire: Wire;
  /** Whether a frame arrives. */
  passes(from: string, hex: string, to: string): Promise<boolean>;
  answer(what?: Answer): Promise<void>;
  /** What status says that A has learned. */
  learned(): Promise<readonly { address: string; seconds: number }[]>;
  /** Whether A may use an address. */
  uses(address?: string): Promise<boolean>;
}

async function play(t: test.TestContext, policy = LEARNS, v = GUEST_V): Promise<Play> {
  const dom0 = await openGuests(t, LEARNER, v, { policy });
  const wire = await dom0.openWire(ENDS);
  const passes: Play['passes'] = async (from, hex, to) => {
    await wire.collect(0);
    await wire.send(from, hex);
    return (await wire.collect()).some((seen) => seen.iface === to && seen.hex === hex);
  };
  // The bridge finds the gateway.
  await wire.send('gw0', `${'ff'.repeat(6)}${G.mac.replaceAll(':', '')}88b5`);
  return {
    dom0,
    wire,
    passes,
    async answer(what = {}) {
      await wire.send(what.from ?? 'gw0', answer(what));
      await wire.collect();
    },
    async learned() {
      const ports = (await dom0.status()) as readonly {
        name: string;
        learned?: readonly { address: string; seconds: number }[];
      }[];
      return ports.find(({ name }) => name === 'vif1.0')?.learned ?? [];
    },
    uses: (address = A.ip) => passes('guest1.0', packet(address), 'gw0'),
  };
}

async function reapply({ dom0 }: Play, policy: string): Promise<void> {
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), policy);
  const { status, stderr } = await dom0.admin(['reapply', '--all']);
  assert.equal(status, 0, stderr);
}

if (!skip) {
  testFrames('a guest with addresses that may learn more', CORPUS, (t) =>
    openGuests(t, GUEST_A, GUEST_V, { policy: LEARNS }),
  );
}

test('learning', { skip, concurrency: 2 }, async (t) => {
  await t.test('before it has a lease a guest does DHCP and nothing else', async (t) => {
    const one = await play(t);
    assert.equal(await one.passes('guest1.0', DISCOVER, 'gw0'), true);
    const offer = answer({ message: 2, dst: A.ip });
    assert.equal(await one.passes('gw0', offer, 'guest1.0'), true, 'an offer to the address that it offers');
    for (const hex of [packet(), packet('192.0.2.77'), arpFrom(A.ip), probe(A.ip), probe(V.ip)])
      assert.equal(await one.passes('guest1.0', hex, 'gw0'), false, hex);
    assert.equal(await one.passes('gw0', toGuest(), 'guest1.0'), false);
    assert.deepEqual(await one.learned(), []);
    assert.match((await one.dom0.admin(['status'])).stdout, /no addresses/);
  });

  await t.test('with it the address is its own, and nothing else is, and nobody else has it', async (t) => {
    const one = await play(t);
    await one.answer();
    const [known, ...more] = await one.learned();
    assert.equal(more.length, 0);
    assert.equal(known?.address, A.ip);
    assert.ok((known?.seconds ?? 0) > 86_300 && (known?.seconds ?? 0) <= 86_400, `${known?.seconds} s`);
    assert.match((await one.dom0.admin(['status'])).stdout, new RegExp(`learned ${A.ip}, for 23 h 59 min`));
    for (const hex of [packet(), arpFrom(A.ip), probe(A.ip)])
      assert.equal(await one.passes('guest1.0', hex, 'gw0'), true, hex);
    assert.equal(await one.passes('gw0', toGuest(), 'guest1.0'), true);
    for (const hex of [packet(V.ip), packet('10.0.0.12'), arpFrom(V.ip), probe(V.ip)])
      assert.equal(await one.passes('guest1.0', hex, 'gw0'), false, hex);
    assert.equal(await one.passes('gw0', toGuest('10.0.0.12'), 'guest1.0'), false);
    const stolen = frame(G.mac, V.mac, TYPE.ip, ip4({ src: A.ip, dst: G.ip }, udp(9, 9)));
    assert.equal(await one.passes('guest2.0', stolen, 'gw0'), false, 'the guest beside it');
    assert.equal(await one.passes('guest2.0', stolen.replace('00163e000002', '00163e000001'), 'gw0'), false);
  });

  await t.test('only an acknowledgement counts, with its own MAC, by a server that is no guest', async (t) => {
    const one = await play(t, `${LEARNS}[guest guest2]\nmode = unlocked\n`);
    const wrong: readonly Answer[] = [
      { message: 2 },
      { message: 6 },
      { op: 1 },
      { chaddr: V.mac },
      { yiaddr: '0.0.0.0' },
      // A guest that is not filtered at all, as whoever it likes.
      { from: 'guest2.0', mac: V.mac, ip: V.ip },
      { from: 'guest2.0' },
      { from: 'guest2.0', dst: A.ip },
      { from: 'guest1.0', mac: A.mac, ip: A.ip },
    ];
    for (const what of wrong) {
      await one.answer(what);
      assert.deepEqual(await one.learned(), [], JSON.stringify(what));
    }
    await one.answer({ dst: A.ip });
    assert.deepEqual((await one.learned()).length, 1, 'to the address that it gives');
  });

  await t.test('a guest that does not learn gets nothing of it', async (t) => {
    const one = await play(t, '[guest guest2]\nlearn = dhcp\n', { ...GUEST_V, ip: V.ip });
    await one.answer();
    assert.deepEqual(await one.learned(), []);
  });

  await t.test('of servers that are named only those count', async (t) => {
    const one = await play(t, `${LEARNS}dhcp_servers = 10.0.0.253 10.0.0.252\n`);
    await one.answer();
    assert.deepEqual(await one.learned(), []);
    await one.answer({ ip: '10.0.0.252' });
    assert.equal((await one.learned()).length, 1);
  });

  await t.test('of so many addresses the next one is not learned, and a renewed one costs nothing', async (t) => {
    const one = await play(t, `${LEARNS}learn_max = 2\n`);
    for (let times = 0; times < 5; times += 1) await one.answer();
    await one.answer({ yiaddr: '10.0.0.12' });
    await one.answer({ yiaddr: '10.0.0.13' });
    await one.answer();
    assert.deepEqual((await one.learned()).map(({ address }) => address).sort(), [A.ip, '10.0.0.12'].sort());
  });

  await t.test('a lease that is given back ends; one that nobody renews too', async (t) => {
    const one = await play(t, `[defaults]\nlearn_timeout = 60s\n${LEARNS}`);
    await one.answer();
    assert.ok(((await one.learned())[0]?.seconds ?? 0) <= 60);
    assert.equal(await one.passes('guest1.0', RELEASE, 'gw0'), true, 'the server hears it');
    assert.deepEqual(await one.learned(), []);
    assert.equal(await one.uses(), false);
  });

  await t.test('an address that is declined ends, wherever clients write it, and no other', async (t) => {
    const one = await play(t);
    const decline = (options: string): string =>
      frame(
        ALL,
        A.mac,
        TYPE.ip,
        ip4({ src: '0.0.0.0', dst: '255.255.255.255' }, udp(68, 67, dhcp({ message: 4, options }))),
      );
    // 50: the address; 54: the server; 61: who it is, by MAC or by a DUID.
    const [it, another, server] = ['32040a00000b', '32040a00000c', '36040a0000fe'];
    const [byMac, byDuid] = [`3d0701${A.mac.replaceAll(':', '')}`, `3d13ff${'00'.repeat(18)}`];
    await one.answer({ yiaddr: '10.0.0.12' });
    for (const before of ['', server, byMac]) {
      await one.answer();
      assert.equal((await one.learned()).length, 2);
      assert.equal(await one.passes('guest1.0', decline(`${before}${it}`), 'gw0'), true, 'the server hears it');
      assert.deepEqual(
        (await one.learned()).map(({ address }) => address),
        ['10.0.0.12'],
        `behind ${before}`,
      );
    }
    // Where systemd writes it: further on than kernels look.
    await one.answer();
    await one.passes('guest1.0', decline(`${byDuid}${it}`), 'gw0');
    assert.equal((await one.learned()).length, 2);
    await one.passes('guest1.0', decline(it), 'gw0');
    // As a discovery would ask for it.
    await one.passes('guest1.0', decline(another).replace('350104', '350101'), 'gw0');
    assert.equal((await one.learned()).length, 1);
    assert.equal(await one.uses(), false);
  });

  await t.test('an address that comes back counts once, however often it was given back', async (t) => {
    const one = await play(t, `${LEARNS}learn_max = 2\n`);
    for (let times = 0; times < 5; times += 1) {
      await one.answer();
      assert.equal((await one.learned()).length, 1, `the lease of start ${times}`);
      await one.passes('guest1.0', RELEASE, 'gw0');
      assert.deepEqual(await one.learned(), []);
    }
    await one.answer({ yiaddr: '10.0.0.12' });
    await one.answer({ yiaddr: '10.0.0.13' });
    await one.answer();
    assert.deepEqual((await one.learned()).map(({ address }) => address).sort(), [A.ip, '10.0.0.12'].sort());
  });

  await t.test("what is written down stays, and is not the server's to take", async (t) => {
    const one = await play(t, `${LEARNS}ip = 10.0.0.40\n`);
    assert.equal(await one.uses('10.0.0.40'), true);
    await one.answer();
    assert.equal(await one.uses('10.0.0.40'), true);
    assert.equal(await one.uses(), true);
  });

  await t.test('it outlives a re-apply, a repair, a flush of all rules and a changed policy', async (t) => {
    const one = await play(t);
    await one.answer();
    const seconds = async (): Promise<number> => (await one.learned())[0]?.seconds ?? 0;
    assert.equal((await one.dom0.admin(['reapply', 'vif1.0'])).status, 0);
    assert.equal(await one.uses(), true);
    // Made anew from the state, with the time that is left.
    const left = await seconds();
    await one.dom0.ns.check(['nft', 'flush', 'ruleset']);
    assert.equal((await one.dom0.admin(['reapply', '--all'])).status, 0);
    assert.equal(await one.uses(), true);
    const now = await seconds();
    assert.ok(now > 0 && now <= left, `${now} of ${left}`);
    await one.dom0.ns.check(['nft', 'flush', 'ruleset']);
    assert.equal((await one.dom0.admin(['repair'])).status, 0);
    assert.equal(await one.uses(), true);
    // Another base, in the place of one that is there.
    await reapply(one, `[defaults]\nlearn_timeout = 12h\n${LEARNS}`);
    assert.equal(await one.uses(), true);
    await reapply(one, `[defaults]\nunmanaged = closed\n${LEARNS}`);
    assert.equal(await one.uses(), true);
    // A run of another vif makes the base.
    await one.dom0.ns.check(['nft', 'flush', 'ruleset']);
    await one.dom0.start({ domid: 3, ip: '10.0.0.3' });
    assert.equal(await one.uses(), true);
    // The host loads its own rules, with ours beside them.
    const files = ['0/base.nft', '1/vif1.0.nft', '2/learned.nft'].map((file) =>
      readFileSync(join(one.dom0.state, 'nftables', file), 'utf8'),
    );
    await one.dom0.ns.check(['nft', '-f', '-'], { input: ['flush ruleset', ...files, ''].join('\n') });
    assert.equal(await one.uses(), true);
  });

  await t.test('nothing of it is left when it leaves, or shall not learn any more', async (t) => {
    const one = await play(t, `${LEARNS}[guest guest2]\nlearn = dhcp\n`);
    const saved = (): string => readFileSync(join(one.dom0.state, 'learned.json'), 'utf8');
    const count = async (): Promise<number> => {
      const listed = await one.dom0.ns.check(['nft', 'list', 'set', 'bridge', 'xen-vif', 'learned']);
      return listed.match(/ expires /g)?.length ?? 0;
    };
    await one.answer();
    assert.equal((await one.learned()).length, 1);
    assert.match(saved(), new RegExp(A.ip));
    await reapply(one, '[guest guest2]\nlearn = dhcp\n[guest guest1]\nip = 10.0.0.40\n');
    assert.equal(await one.uses(), false);
    assert.deepEqual([await count(), new RegExp(A.ip).test(saved())], [0, false]);
    await reapply(one, LEARNS);
    assert.equal(await one.uses(), false, 'a lease of before is none');
    await one.answer();
    assert.equal(await count(), 1);
    assert.equal((await one.dom0.hotplug('offline', { domid: 1 })).status, 0);
    assert.deepEqual([await count(), new RegExp(A.ip).test(saved())], [0, false]);
  });

  await t.test('where nobody learns, there is no hook for it', async (t) => {
    const one = await play(t, '[guest guest1]\nlearn = off\n');
    assert.doesNotMatch(await one.dom0.ruleset(), /hook forward|chain learn|@learned/);
    assert.equal(existsSync(join(one.dom0.state, 'learned.json')), false);
    await reapply(one, LEARNS);
    assert.match(await one.dom0.ruleset(), /hook forward/);
    await one.answer();
    assert.equal(await one.uses(), true);
    await reapply(one, '');
    assert.doesNotMatch(await one.dom0.ruleset(), /hook forward/);
  });

  await t.test('ebtables says that it cannot', async (t) => {
    const one = await play(t, '[defaults]\nbackend = ebtables\n');
    writeFileSync(join(one.dom0.folder, 'vif-bridge.ini'), `[defaults]\nbackend = ebtables\n${LEARNS}`);
    const { status, stderr } = await one.dom0.admin(['reapply', 'vif1.0']);
    assert.equal(status, 1);
    assert.match(stderr, /ebtables cannot learn addresses[\s\S]*backend = nftables/);
  });
});
