/**
 * A vif's life with ebtables: what is in the tables, what repairs them, and how a host changes from one backend to the
 * other.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type Dom0, LAUNCHER, obstacle, openDom0, PROGRAM } from '../kernel/dom0.ts';
import { A, ALL, frame, G, ip4, TYPE, udp, V } from '../kernel/frames.ts';
import { fdb } from '../lab/bench.ts';

const skip = obstacle();
const EBTABLES = '[defaults]\nbackend = ebtables\n';
const ONE = { domid: 1, mac: A.mac, ip: A.ip };
const TWO = { domid: 2, mac: V.mac, ip: V.ip };

const own = frame(G.mac, A.mac, TYPE.ip, ip4({ src: A.ip, dst: G.ip }, udp(9, 9)));
const spoofed = frame(G.mac, A.mac, TYPE.ip, ip4({ src: V.ip, dst: G.ip }, udp(9, 9)));

/** Both tables, without what was counted. */
async function tables(dom0: Dom0): Promise<string> {
  const lists = ['nat', 'filter'].map((table) => dom0.ns.check(['ebtables', '-t', table, '-L']));
  return (await Promise.all(lists)).join('\n');
}

/** How often the hooks lead to our chains. */
async function jumps(dom0: Dom0): Promise<number> {
  return ((await tables(dom0)).match(/^-j xen-vif\/(in|out)$/gm) ?? []).length;
}

/** What the gateway receives of one honest and one spoofed frame of the guest on vif1.0. */
async function passes(dom0: Dom0): Promise<string[]> {
  const wire = await dom0.openWire(['guest1.0', 'gw0']);
  await wire.send('gw0', `${'ff'.repeat(6)}${G.mac.replaceAll(':', '')}88b5`);
  await wire.collect();
  await wire.send('guest1.0', own);
  await wire.send('guest1.0', spoofed);
  const seen = (await wire.collect()).filter((one) => one.iface === 'gw0').map((one) => one.hex);
  await wire.exit();
  return [...(seen.includes(own) ? ['own'] : []), ...(seen.includes(spoofed) ? ['spoofed'] : [])];
}

async function succeeds(run: Promise<{ status: number | null; stderr: string; stdout: string }>): Promise<string> {
  const result = await run;
  assert.equal(result.status, 0, result.stderr);
  return result.stdout;
}

function setPolicy(dom0: Dom0, text: string): void {
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), text);
}

function base(dom0: Dom0): { backend: string; auto: boolean; tools?: { restore: string } } {
  return JSON.parse(readFileSync(join(dom0.state, 'base.json'), 'utf8'));
}

test('vifs come and go', { skip }, async (t) => {
  const dom0 = await openDom0(t, { policy: EBTABLES });
  await dom0.start(ONE);
  await dom0.start(TWO);
  const full = await tables(dom0);

  await t.test('every hook leads to our chains once', async () => assert.equal(await jumps(dom0), 4));
  await t.test('the own address passes, another one does not', async () =>
    assert.deepEqual(await passes(dom0), ['own']),
  );
  await t.test('nothing of ours is in nftables', async () =>
    assert.doesNotMatch(await dom0.ruleset(), /table (bridge|netdev) xen-vif/),
  );
  await t.test('a second online and a re-apply change nothing', async () => {
    await succeeds(dom0.hotplug('online', ONE));
    await succeeds(dom0.admin(['reapply', 'vif1.0']));
    await succeeds(dom0.admin(['reapply', '--all']));
    assert.equal(sorted(await tables(dom0)), sorted(full));
  });
  await t.test('status says what ebtables may miss', async () => {
    const port = (await dom0.status()).find((one) => one.name === 'vif1.0');
    assert.equal(port?.state, 'managed');
    assert.match(port?.open.join('\n') ?? '', /not fully checked: ip-form ip-opt/);
  });
  await t.test('the dry run lists what is closed and what may be missed', async () => {
    const text = await succeeds(dom0.admin(['reapply', 'vif1.0', '--dry-run']));
    assert.match(text, /^# closed: ip6-form /m);
    assert.match(text, /^# not fully checked: ip-form ip-opt /m);
  });
  await t.test('offline leaves nothing of its vif, and the other one works', async () => {
    await succeeds(dom0.hotplug('offline', TWO));
    assert.doesNotMatch(await tables(dom0), /vif2\.0/);
    assert.deepEqual(await passes(dom0), ['own']);
    await succeeds(dom0.hotplug('offline', TWO));
  });
  await t.test('when the last one has gone, no chain of a vif is left', async () => {
    await succeeds(dom0.hotplug('offline', ONE));
    assert.doesNotMatch(await tables(dom0), /vif\d/);
    assert.deepEqual(readdirSync(join(dom0.state, 'ebtables')), []);
  });
});

function sorted(text: string): string {
  return text.split('\n').sort().join('\n');
}

const DAMAGE: readonly (readonly [what: string, command: string])[] = [
  ['all rules were flushed', 'ebtables -t nat -F; ebtables -t filter -F'],
  ['all chains were removed', 'for t in nat filter; do ebtables -t $t -F; ebtables -t $t -X; done'],
  ['nft flushed the ruleset', 'nft flush ruleset'],
  ['our jump was taken out', 'ebtables -t nat -D PREROUTING -j xen-vif/in'],
  ['our jump was doubled', 'ebtables -t nat -A PREROUTING -j xen-vif/in'],
  [
    'the chain of a vif is gone',
    'ebtables -t nat -F xen-vif/in-ports; ebtables -t nat -F vif2.0-in; ebtables -t nat -X vif2.0-in',
  ],
];

test('repair', { skip }, async (t) => {
  for (const [what, command] of DAMAGE) {
    await t.test(`after ${what}, reapply --all makes it as it was`, async (t) => {
      const dom0 = await openDom0(t, { policy: EBTABLES });
      await dom0.start(TWO);
      await dom0.start(ONE);
      const before = await tables(dom0);
      await dom0.ns.check(['sh', '-c', command]);
      await succeeds(dom0.admin(['reapply', '--all']));
      assert.equal(sorted(await tables(dom0)), sorted(before));
      assert.deepEqual(await passes(dom0), ['own']);
    });
  }

  await t.test('after a flush, the next vif repairs all others', async (t) => {
    const dom0 = await openDom0(t, { policy: EBTABLES });
    await dom0.start(ONE);
    await dom0.ns.check(['nft', 'flush', 'ruleset']);
    assert.equal((await dom0.status()).find((one) => one.name === 'vif1.0')?.state, 'damaged');
    await dom0.start(TWO);
    assert.deepEqual(await passes(dom0), ['own']);
    assert.equal((await dom0.status()).find((one) => one.name === 'vif1.0')?.state, 'managed');
  });

  await t.test('rules of others stay where they are', async (t) => {
    const dom0 = await openDom0(t, { policy: EBTABLES });
    await dom0.ns.check([
      'sh',
      '-c',
      'ebtables -t nat -N mine; ebtables -t nat -A mine -p 0x1234 -j DROP; ebtables -t nat -A PREROUTING -i gw9 -j mine',
    ]);
    await dom0.start(ONE);
    await succeeds(dom0.admin(['reapply', '--all']));
    await succeeds(dom0.hotplug('offline', ONE));
    const text = await tables(dom0);
    assert.match(text, /^-p 0x1234 -j DROP$/m);
    assert.match(text, /^-i gw9 -j mine$/m);
  });

  await t.test('a lost state directory is made anew from Xen, and leaves nothing behind', async (t) => {
    const dom0 = await openDom0(t, { policy: EBTABLES });
    await dom0.start(TWO);
    await dom0.start(ONE);
    const before = await tables(dom0);
    rmSync(dom0.state, { recursive: true });
    await succeeds(dom0.hotplug('online', TWO));
    await succeeds(dom0.admin(['reapply', '--all']));
    assert.equal(sorted((await tables(dom0)).replaceAll('reapply', '')), sorted(before));
  });
});

test('renamed, unrestricted, denied and running ports', { skip }, async (t) => {
  await t.test('a port with vifname= is filtered by its new name', async (t) => {
    const dom0 = await openDom0(t, { policy: EBTABLES });
    await dom0.start({ ...ONE, vifname: 'web0' });
    assert.deepEqual(await passes(dom0), ['own']);
    assert.match(await tables(dom0), /^-i web0 -j xen-vif\/in-ports$/m);
    assert.match(await tables(dom0), /^-i web0 -j vif1\.0-in$/m);
  });
  for (const [noIp, expected] of [
    ['mac-only', ['own', 'spoofed']],
    ['deny', []],
    ['unrestricted', ['own', 'spoofed']],
  ] as const) {
    await t.test(`without ip= and no_ip = ${noIp} this passes: ${expected.join(' and ') || 'nothing'}`, async (t) => {
      const dom0 = await openDom0(t, { policy: `${EBTABLES}no_ip = ${noIp}\n` });
      await dom0.start({ domid: 1, mac: A.mac });
      assert.deepEqual(await passes(dom0), expected);
    });
  }
  await t.test('a guest that runs already keeps working until it is taken over', async (t) => {
    const dom0 = await openDom0(t, { policy: EBTABLES });
    await dom0.bench.addVif('vif1.0');
    await dom0.ns.check(['ip', 'link', 'set', 'vif1.0', 'master', 'br0', 'up']);
    dom0.configure(ONE);
    await dom0.start(TWO);
    assert.deepEqual(await passes(dom0), ['own', 'spoofed']);
    await succeeds(dom0.admin(['reapply', 'vif1.0']));
    assert.deepEqual(await passes(dom0), ['own']);
    await succeeds(dom0.hotplug('online', TWO));
    assert.deepEqual(await passes(dom0), ['own']);
  });
});

test('the ports of an HVM guest learn, but nothing from link-local frames', { skip }, async (t) => {
  const dom0 = await openDom0(t, { policy: EBTABLES });
  await dom0.start({ ...ONE, type: 'vif_ioemu' });
  const wire = await dom0.openWire(['guest1.0', 'guest1.0-emu', 'gw0']);
  await wire.send('gw0', `${'ff'.repeat(6)}${G.mac.replaceAll(':', '')}88b5`);
  await wire.collect();
  for (const group of ['01:80:c2:00:00:02', '01:80:c2:00:00:03', '01:80:c2:00:00:0e']) {
    for (const port of ['guest1.0', 'guest1.0-emu'])
      await wire.send(port, frame(group, G.mac, 0x88cc, '00'.repeat(46)));
  }
  await wire.collect();
  const places = (await fdb(dom0.ns, 'br0')).filter((entry) => entry.mac === G.mac).map((entry) => entry.dev);
  assert.deepEqual(places, ['up0']);
  for (const port of ['guest1.0', 'guest1.0-emu']) {
    await wire.send(port, frame(ALL, A.mac, TYPE.ip, ip4({ src: A.ip, dst: '255.255.255.255' }, udp(9, 9))));
    await wire.collect();
    const learned = (await fdb(dom0.ns, 'br0')).filter((entry) => entry.mac === A.mac).map((entry) => entry.dev);
    assert.deepEqual(learned, [port.replace('guest', 'vif')]);
  }
  await wire.exit();
});

/** The tools of the system without some, as the only folder on PATH. */
function toolsWithout(dom0: Dom0, missing: RegExp): string {
  const folder = join(dom0.folder, 'tools');
  mkdirSync(folder);
  const linked = new Set<string>();
  for (const from of ['/bin', '/usr/bin', '/sbin', '/usr/sbin']) {
    if (!existsSync(from)) continue;
    for (const name of readdirSync(from)) {
      if (missing.test(name) || linked.has(name)) continue;
      linked.add(name);
      symlinkSync(join(from, name), join(folder, name));
    }
  }
  return folder;
}

test('backend = auto', { skip }, async (t) => {
  const withTools = (path: string) => ({ program: PROGRAM, env: { PATH: path } });
  await t.test('takes nftables where it works', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start(ONE);
    assert.deepEqual([base(dom0).backend, base(dom0).auto], ['nftables', true]);
    assert.doesNotMatch(await dom0.ruleset(), /xen-vif\/in/);
  });
  await t.test('takes ebtables where there is no nft, and remembers it', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.bench.addVif('vif1.0');
    dom0.configure(ONE);
    await succeeds(dom0.hotplug('online', ONE, withTools(toolsWithout(dom0, /^nft$/))));
    assert.deepEqual([base(dom0).backend, base(dom0).auto], ['ebtables', true]);
    assert.deepEqual(await passes(dom0), ['own']);
    // By the launcher, where nft is: the choice stays.
    await succeeds(dom0.hotplug('online', ONE));
    assert.equal(base(dom0).backend, 'ebtables');
  });
  await t.test('says clearly that nothing works', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.bench.addVif('vif1.0');
    dom0.configure(ONE);
    const result = await dom0.hotplug('online', ONE, withTools(toolsWithout(dom0, /^(nft|ebtables.*)$/)));
    assert.equal(result.status, 1);
    assert.match(dom0.key(1, 'hotplug-error') ?? '', /no packet filter works: nft: nft is not installed; ebtables/);
    assert.equal(dom0.key(1, 'hotplug-status'), 'error');
  });
});

test('a host that changes its backend', { skip }, async (t) => {
  const dom0 = await openDom0(t, { policy: '[defaults]\nbackend = nftables\n' });
  await dom0.start(TWO);
  await dom0.start(ONE);
  await t.test('from nftables to ebtables: the next run takes every vif along', async () => {
    setPolicy(dom0, EBTABLES);
    await succeeds(dom0.hotplug('online', TWO));
    assert.doesNotMatch(await dom0.ruleset(), /table (bridge|netdev) xen-vif/);
    assert.equal(await jumps(dom0), 4);
    assert.deepEqual(await passes(dom0), ['own']);
  });
  await t.test('and back', async () => {
    setPolicy(dom0, '[defaults]\nbackend = nftables\n');
    await succeeds(dom0.admin(['reapply', '--all']));
    assert.doesNotMatch(await tables(dom0), /vif/);
    assert.match(await dom0.ruleset(), /table bridge xen-vif/);
    assert.deepEqual(await passes(dom0), ['own']);
  });
  await t.test('an offline after the change leaves nothing in either', async () => {
    setPolicy(dom0, EBTABLES);
    await succeeds(dom0.hotplug('offline', ONE));
    await succeeds(dom0.hotplug('offline', TWO));
    assert.doesNotMatch(await tables(dom0), /vif\d/);
    assert.doesNotMatch(await dom0.ruleset(), /vif\d/);
  });
});

test('who holds the lock of ebtables --concurrent is waited for', { skip }, async (t) => {
  const dom0 = await openDom0(t, { policy: EBTABLES });
  await dom0.bench.addVif('vif1.0');
  dom0.configure(ONE);
  // In a mount namespace of its own, so that nobody else on this machine waits.
  const script = `
    mount -t tmpfs none /var/lib
    mkdir /var/lib/ebtables
    exec 9>/var/lib/ebtables/lock
    flock 9
    "$@" 9>&- & run=$!
    sleep 1.5
    kill -0 $run && echo waits
    [ -e "$STATE/ebtables/vif1.0.json" ] || echo nothing-loaded
    flock -u 9
    wait $run
    echo status $?`;
  const result = await dom0.hotplug('online', ONE, {
    program: ['unshare', '-m', 'sh', '-c', script, 'sh', LAUNCHER],
    env: { STATE: dom0.state, PATH: process.env.PATH },
  });
  assert.equal(result.stdout, 'waits\nnothing-loaded\nstatus 0\n', result.stderr);
});
