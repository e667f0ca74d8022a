/**
 * `mode = observe`: a guest can do all that an unlocked one can, whatever the frame is, and every frame that would be
 * dropped is counted for the reason for which it would be.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fdb } from '../lab/bench.ts';
import { ATTACKS } from './attacks.ts';
import { CORPUS } from './corpus.ts';
import { type Dom0, obstacle, openDom0, type Port } from './dom0.ts';
import { A, frame, G, ip4, TYPE, udp, V, X } from './frames.ts';
import { LEGITIMATE } from './legitimate.ts';
import { OWN_ADDRESS_OF_OTHERS } from './own-address.ts';
import { TOWARD_GUEST } from './toward-guest.ts';
import { GUEST_A, GUEST_V, judge, openGuests, type TestFrame, type Verdict } from './verdict.ts';

const skip = obstacle();
const BACKENDS = ['nftables', 'ebtables'] as const;
type Backend = (typeof BACKENDS)[number];
const FRAMES: Readonly<Record<Backend, readonly TestFrame[]>> = {
  nftables: [...CORPUS, ...ATTACKS, ...TOWARD_GUEST, ...OWN_ADDRESS_OF_OTHERS, ...LEGITIMATE],
  ebtables: CORPUS,
};

const policy = (backend: Backend, mode: string): string => `[defaults]\nbackend = ${backend}\nmode = ${mode}\n`;

/** What becomes of every frame; where nobody filters, what one frame teaches the bridge must not matter to the next. */
async function verdicts(t: test.TestContext, backend: Backend, mode: string): Promise<Map<TestFrame, Verdict>> {
  const dom0 = await openGuests(t, GUEST_A, GUEST_V, { policy: policy(backend, mode) });
  if (mode !== 'locked') {
    await dom0.ns.check(['ip', 'link', 'set', 'br0', 'type', 'bridge', 'ageing_time', '0']);
    for (const [mac, port] of [
      [A.mac, 'vif1.0'],
      [V.mac, 'vif2.0'],
      [G.mac, 'up0'],
    ] as const) {
      await dom0.ns.check(['bridge', 'fdb', 'replace', mac, 'dev', port, 'master', 'static', 'sticky']);
    }
  }
  return judge(dom0, FRAMES[backend]);
}

for (const backend of BACKENDS) {
  test(`observed guests, ${backend}`, { skip }, async (t) => {
    const frames = FRAMES[backend];
    const unlocked = await verdicts(t, backend, 'unlocked');
    const observed = await verdicts(t, backend, 'observe');

    await t.test('every frame of all suites gets as far as if nobody filtered', () => {
      const far = (seen: Map<TestFrame, Verdict>): string[] =>
        frames.map((one) => `${one.name}: ${seen.get(one)?.arrived.join(' ')}`);
      assert.deepEqual(far(observed), far(unlocked));
      const attacks = frames.filter((one) => one.expect === 'drop');
      const arrived = attacks.filter((one) => (observed.get(one)?.arrived.length ?? 0) > 0);
      assert.ok(arrived.length > attacks.length / 2, `${arrived.length} of ${attacks.length} attacks arrived`);
    });

    await t.test('every attack is counted for the reason for which a locked guest would lose it', async (t) => {
      const attacks = frames.filter((one) => one.expect === 'drop' && one.reason !== undefined);
      // What ebtables counts otherwise, or does not see, only a locked guest tells.
      const locked = backend === 'nftables' ? undefined : await verdicts(t, backend, 'locked');
      const uncounted = attacks.filter((one) => {
        const [now = 0, then = 1] = [observed.get(one)?.counted, locked === undefined ? 1 : locked.get(one)?.counted];
        // Where both ends drop, a locked sender keeps it from the other one.
        return one.direction === 'from-guest' && one.sender === 'A' ? now !== then : now < Math.min(then, 1);
      });
      assert.deepEqual(
        uncounted.map((one) => `${one.name}: ${observed.get(one)?.counted} times ${one.reason}`),
        [],
      );
    });
  });
}

const foreign = frame(G.mac, X.mac, TYPE.ip, ip4({ src: '203.0.113.9', dst: G.ip }, udp(9, 9)));
const honest = frame(G.mac, A.mac, TYPE.ip, ip4({ src: A.ip, dst: G.ip }, udp(9, 9)));

/** What of an honest and a forged frame the gateway receives. */
async function passes(dom0: Dom0): Promise<string[]> {
  const wire = await dom0.openWire(['guest1.0', 'gw0']);
  await wire.send('gw0', `${'ff'.repeat(6)}${G.mac.replaceAll(':', '')}88b5`);
  await wire.collect();
  for (const hex of [honest, foreign]) await wire.send('guest1.0', hex);
  const seen = (await wire.collect()).filter(({ iface }) => iface === 'gw0').map(({ hex }) => hex);
  await wire.exit();
  return [...(seen.includes(honest) ? ['honest'] : []), ...(seen.includes(foreign) ? ['foreign'] : [])];
}

/** Drops of the guest's MAC reason, as status has them. */
async function countedMacs(dom0: Dom0): Promise<number> {
  const [port] = await dom0.status();
  return port?.drops.find(({ reason, direction }) => reason === 'mac-src' && direction === 'from-guest')?.packets ?? 0;
}

for (const backend of BACKENDS) {
  test(`from locked to observe and back on a running guest, ${backend}`, { skip }, async (t) => {
    const dom0 = await openDom0(t, { policy: policy(backend, 'locked') });
    await dom0.start(GUEST_A);
    const asLocked = await portOf(dom0);
    const lay = async (mode: string): Promise<void> => {
      writeFileSync(join(dom0.folder, 'vif-bridge.ini'), policy(backend, mode));
      const { status, stderr } = await dom0.admin(['reapply', 'vif1.0']);
      assert.equal(status, 0, stderr);
    };
    assert.deepEqual(await passes(dom0), ['honest']);
    assert.equal(await countedMacs(dom0), 1);

    await lay('observe');
    assert.equal(await countedMacs(dom0), 0, 'what was dropped is not mixed with what would have been');
    assert.deepEqual(await passes(dom0), ['honest', 'foreign']);
    const [seen] = await dom0.status();
    assert.deepEqual([seen?.state, seen?.mode, seen?.observed], ['managed', 'addresses', true]);
    assert.match(seen?.open.join('\n') ?? '', /not filtered: mode = observe; .*would have been dropped/);
    const text = (await dom0.admin(['status'])).stdout;
    assert.match(text, /vif1\.0 {2}managed, only observed/);
    assert.match(text, /would have been dropped from-guest mac-src +1 frames/);
    assert.deepEqual(await portOf(dom0), {
      learning: true,
      locked: false,
      root_block: false,
      backup_port: undefined,
      entries: [`${X.mac} `, `${A.mac} `].sort(),
    });

    await lay('locked');
    assert.deepEqual(await passes(dom0), ['honest']);
    assert.equal(await countedMacs(dom0), 1);
    assert.deepEqual(await portOf(dom0), asLocked);
    assert.equal((await dom0.status())[0]?.observed, false);
  });
}

/** The flags of the port, and what the bridge knows behind it. */
async function portOf({ ns }: Dom0): Promise<unknown> {
  const [link] = JSON.parse(await ns.check(['ip', '-j', '-d', 'link', 'show', 'dev', 'vif1.0']));
  const { learning, locked, root_block, backup_port } = link.linkinfo.info_slave_data;
  const entries = (await fdb(ns, 'br0'))
    .filter(({ dev, state, mac }) => dev === 'vif1.0' && state !== 'permanent' && mac !== 'fe:ff:ff:ff:ff:ff')
    .map(({ mac, state = '' }) => `${mac} ${state}`)
    .sort();
  return { learning, locked, root_block, backup_port, entries };
}

test('an observed guest beside a locked one changes nothing for that', { skip }, async (t) => {
  const dom0 = await openGuests(t, GUEST_A, GUEST_V, {
    policy: `[mac ${A.mac}]\nmode = observe\n`,
  });
  const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
  const toV = frame(V.mac, A.mac, TYPE.ip, ip4({ src: '203.0.113.9', dst: V.ip }, udp(9, 9)));
  const inTag = frame(V.mac, A.mac, [TYPE.vlan, 5, TYPE.ip], ip4({ src: A.ip, dst: V.ip }, udp(9, 9)));
  const fromV = frame(G.mac, V.mac, TYPE.ip, ip4({ src: '203.0.113.9', dst: G.ip }, udp(9, 9)));
  await wire.collect(0);
  await wire.send('guest1.0', toV);
  await wire.send('guest1.0', inTag);
  await wire.send('guest2.0', fromV);
  const seen = await wire.collect();
  const got = (name: string): string[] => seen.filter(({ iface }) => iface === name).map(({ hex }) => hex);
  assert.deepEqual([got('guest2.0').includes(toV), got('guest2.0').includes(inTag)], [true, false]);
  assert.equal(got('gw0').includes(fromV), false);
});

test('frames of STP of an observed guest are counted where the bridge takes them', { skip }, async (t) => {
  const dom0 = await openDom0(t, { policy: policy('nftables', 'observe') });
  await dom0.ns.check(['ip', 'link', 'set', 'br0', 'type', 'bridge', 'stp_state', '1', 'forward_delay', '0']);
  await dom0.start(GUEST_A);
  const wire = await dom0.openWire(['guest1.0']);
  for (const last of ['00', '02']) {
    await wire.send('guest1.0', frame(`01:80:c2:00:00:${last}`, A.mac, 0x0026, `424203${'00'.repeat(43)}`));
  }
  await wire.collect();
  const drops = (await dom0.status())[0]?.drops.filter(({ reason }) => reason === 'link-local') ?? [];
  assert.equal(
    drops.filter(({ direction }) => direction === 'from-guest').reduce((sum, { packets }) => sum + packets, 0),
    2,
  );
});

for (const mode of ['observe', 'unlocked']) {
  test(`mode = ${mode} ends by itself at the next run that looks, and status says so before`, { skip }, async (t) => {
    const end = new Date(Math.ceil(Date.now() / 1000) * 1000 + 15_000);
    const text = `[defaults]\nmode = ${mode}\nuntil = ${end.toISOString().slice(0, 19)}Z\n`;
    const dom0 = await openDom0(t, { policy: text });
    await dom0.start(GUEST_A);
    assert.deepEqual(await passes(dom0), ['honest', 'foreign']);
    const [before] = await dom0.status();
    assert.equal(before?.until, end.toISOString());
    assert.match((await dom0.admin(['status'])).stdout, new RegExp(`mode = ${mode} ends at 20`));

    await new Promise((resolve) => setTimeout(resolve, end.getTime() - Date.now() + 100));
    const [ended] = await dom0.status();
    assert.match(
      ended?.open.join() ?? '',
      new RegExp(`still not filtered: mode = ${mode} has ended at .*reapply vif1.0`),
    );
    // The kernel knows of no end: whoever looks is told that the guest is open, by whatever he looks with.
    assert.deepEqual(await passes(dom0), ['honest', 'foreign']);
    assert.deepEqual([ended?.unfiltered, ended?.overdue], [mode, end.toISOString()]);
    const said = (await dom0.admin(['status'])).stdout;
    assert.match(said, new RegExp(`NOT FILTERED: ${mode}, overdue since 20.*; vif-bridge reapply vif1\\.0`));
    assert.doesNotMatch(said, /it counts as locked/);
    const nagios = await dom0.admin(['status', '--nagios']);
    assert.deepEqual([nagios.status, /not filtered: vif1\.0 \(.*overdue\)/.test(nagios.stdout)], [1, true]);
    const metrics = (await dom0.admin(['metrics'])).stdout.split('\n');
    assert.ok(metrics.includes('xen_vif_overdue_ports 1'));
    assert.ok(metrics.includes(`xen_vif_open_ports{reason="${mode}"} 1`));
    const doctor = JSON.parse((await dom0.admin(['doctor', '--json'])).stdout) as { findings: { id: string }[] };
    assert.ok(doctor.findings.some(({ id }) => id === 'overdue'));
    const { status, stderr } = await dom0.admin(['repair']);
    assert.equal(status, 0, stderr);
    assert.deepEqual(await passes(dom0), ['honest']);
    const [after] = await dom0.status();
    assert.deepEqual([after?.mode, after?.observed, after?.until, after?.open], ['addresses', false, undefined, []]);
    assert.match(
      (await dom0.admin(['status'])).stdout,
      new RegExp(`mode = ${mode} has ended at .*it counts as locked`),
    );
  });
}

for (const backend of BACKENDS) {
  test(`what has ended is due, and nothing of it is damaged: ${backend}`, { skip }, async (t) => {
    const dom0 = await openDom0(t, { policy: policy(backend, 'observe') });
    await dom0.start(GUEST_A);
    for (const mode of ['observe', 'unlocked']) {
      const write = (more: string): void =>
        writeFileSync(join(dom0.folder, 'vif-bridge.ini'), `${policy(backend, mode)}${more}`);
      write('');
      assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
      write('until = 2020-01-01\n');
      const [ended] = await dom0.status();
      assert.equal(ended?.state, 'managed', mode);
      assert.match(ended?.open.join() ?? '', new RegExp(`still not filtered: mode = ${mode} has ended`));
      assert.equal((await dom0.admin(['repair'])).status, 0);
      const [after] = await dom0.status();
      assert.deepEqual([after?.state, after?.mode, after?.observed], ['managed', 'addresses', false], mode);
    }
  });
}

test('a guest whose policy has closed it again is open until it is re-applied, and status says so', {
  skip,
}, async (t) => {
  const dom0 = await openDom0(t, { policy: policy('nftables', 'unlocked') });
  await dom0.start(GUEST_A);
  const openness = async (text: string): Promise<readonly unknown[]> => {
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), text);
    const { stdout } = await dom0.admin(['status']);
    const [port] = JSON.parse((await dom0.admin(['status', '--json'])).stdout) as Port[];
    return [port?.unfiltered, port?.overdue, /NOT FILTERED/.test(stdout)];
  };
  assert.deepEqual(await openness(policy('nftables', 'locked')), ['unlocked', undefined, true]);
  assert.deepEqual(await openness('[defaults\n'), ['unlocked', undefined, true]);
  assert.deepEqual(await openness(policy('nftables', 'unlocked')), ['unlocked', undefined, true]);
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), policy('nftables', 'locked'));
  assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
  assert.deepEqual(await openness(policy('nftables', 'unlocked')), [undefined, undefined, false]);
});
