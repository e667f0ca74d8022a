/** Nobody is cut off, opened or taken for another one by a name, a slip or a rehearsal. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import { A } from './frames.ts';
import { GUEST_A, GUEST_V } from './verdict.ts';

const skip = obstacle();
const isUp = async (dom0: Dom0, name: string): Promise<boolean> =>
  (await dom0.link(name))?.flags.includes('UP') === true;
const record = (dom0: Dom0, device: string) =>
  JSON.parse(readFileSync(join(dom0.state, 'vif', `${device}.json`), 'utf8')) as { values: Record<string, string> };

test('a port that bears the first name of the port of another domain (vifname=vif2.0)', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start({ ...GUEST_A, vifname: 'vif2.0' });
  dom0.configure(GUEST_V);
  const state = join(dom0.state, 'vif', 'vif1.0.json');
  await t.test('is left alone by the offline of that one', async () => {
    assert.equal((await dom0.hotplug('offline', { domid: 2 })).status, 0);
    assert.equal(await isUp(dom0, 'vif2.0'), true);
    assert.equal((await dom0.link('vif2.0'))?.master, 'br0');
  });
  await t.test('is left alone by an online of that one, which fails', async () => {
    assert.equal((await dom0.hotplug('online', { domid: 2 })).status, 1);
    assert.match(dom0.key(2, 'hotplug-error') ?? '', /vif2\.0 is the name of another domain's port \(vif1\.0/);
    assert.equal(await isUp(dom0, 'vif2.0'), true);
    assert.equal(record(dom0, 'vif1.0').values.mac, A.mac);
  });
  await t.test('is shown as left alone by a dry run', async () => {
    const { stdout } = await dom0.admin(['offline', '--dry-run', 'vif=vif2.0']);
    assert.match(stdout, /vif2\.0 is the port of another vif, vif1\.0: it is left alone/);
    assert.doesNotMatch(stdout, /link set dev vif2\.0 down/);
  });
  await t.test('also where its record is lost, and only its alias knows it', async () => {
    rmSync(state);
    assert.equal((await dom0.hotplug('offline', { domid: 2 })).status, 0);
    assert.equal(await isUp(dom0, 'vif2.0'), true);
  });
  await t.test('is re-applied by the name it has', async () => {
    const result = await dom0.admin(['reapply', 'vif2.0']);
    assert.equal(result.status, 0, result.stderr);
    assert.equal(result.stdout, 're-applied: vif1.0\n');
    assert.equal(record(dom0, 'vif1.0').values.mac, A.mac);
  });
  await t.test('goes with its own offline', async () => {
    assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
    assert.equal(await isUp(dom0, 'vif2.0'), false);
  });
});

test('by hand', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start(GUEST_A);
  const good = ['online', 'vif=vif1.0', 'bridge=br0', `mac=${A.mac}`];
  const before = await dom0.ruleset();
  for (const [slip, said] of [
    [['mac=zz'], /"zz" is not a MAC/],
    [['ip=10.0.0.300'], /not an IP address/],
    [['bridge=nowhere'], /Could not find bridge device nowhere/],
    [['mtu=x'], /not an MTU/],
    [['ips=10.0.0.11'], /there is no key "ips"[\s\S]*did you mean ip=\?/],
    [['IP=10.0.0.11'], /there is no key "IP"[\s\S]*did you mean ip=\?/],
    [['i.p=10.0.0.11'], /there is no key "i\.p"/],
    [['vlan=10'], /there is no key "vlan"[\s\S]*the keys are vif, INTERFACE/],
  ] as const) {
    await t.test(`${slip.join(' ')} is refused, and changes nothing`, async () => {
      const result = await dom0.admin([...good, ...slip]);
      assert.equal(result.status, 1);
      assert.match(result.stderr, said);
      assert.equal(await isUp(dom0, 'vif1.0'), true);
      assert.equal(await dom0.ruleset(), before);
      assert.equal(record(dom0, 'vif1.0').values.ip, GUEST_A.ip);
    });
  }
  await t.test('an offline with a key that does not exist changes nothing', async () => {
    assert.equal((await dom0.admin(['offline', 'vif=vif1.0', 'brigde=br0'])).status, 1);
    assert.equal(await isUp(dom0, 'vif1.0'), true);
  });
  await t.test('the same slip in what Xen says closes', async () => {
    dom0.store.write('backend/vif/1/0/mac', 'zz');
    assert.equal((await dom0.hotplug('online', { domid: 1 })).status, 1);
    assert.equal(await isUp(dom0, 'vif1.0'), false);
    dom0.store.write('backend/vif/1/0/mac', A.mac);
    assert.equal((await dom0.hotplug('online', { domid: 1 })).status, 0);
  });
  await t.test('a re-apply after an online goes by what Xen says again', async () => {
    assert.equal((await dom0.admin([...good, 'ip=10.0.0.99'])).status, 0);
    assert.equal(record(dom0, 'vif1.0').values.ip, '10.0.0.99');
    const result = await dom0.admin(['reapply', '--all']);
    assert.deepEqual([result.status, result.stdout], [0, 're-applied: vif1.0\n']);
    assert.equal(record(dom0, 'vif1.0').values.ip, GUEST_A.ip);
  });
  await t.test('what Xen does not know is re-applied from the saved state, and that is said', async () => {
    await dom0.bench.addVif('vif5.0');
    const five = ['online', 'vif=vif5.0', 'bridge=br0', 'mac=00:16:3e:00:05:00', 'ip=10.0.0.55'];
    assert.equal((await dom0.admin(five)).status, 0);
    const result = await dom0.admin(['reapply', '--all']);
    assert.equal(result.stdout, 're-applied: vif1.0 vif5.0\nnot in xenstore, so from the saved state: vif5.0\n');
  });
});

for (const backend of ['nftables', 'ebtables']) {
  test(`${backend}: reapply --dry-run says what reapply does`, { skip }, async (t) => {
    const dom0 = await openDom0(t, { policy: `[defaults]\nbackend = ${backend}\n` });
    for (const guest of [GUEST_A, GUEST_V]) await dom0.start(guest);
    const dry = async (): Promise<string> => {
      const result = await dom0.admin(['reapply', '--dry-run', 'vif1.0']);
      assert.equal(result.status, 0, result.stderr);
      return result.stdout;
    };
    const text = await dry();
    assert.doesNotMatch(text, /xenstore|vif1\.0 (down|up)|delete table|chain prerouting/);
    // Run as a person would, it changes nothing: it is so already.
    const before = await dom0.ruleset();
    await perform(dom0, text);
    assert.equal(withoutCounts(await dom0.ruleset()), withoutCounts(before));
    // And what it would change, it changes.
    dom0.store.write('backend/vif/1/0/ip', '10.0.0.111');
    await perform(dom0, await dry());
    const rehearsed = withoutCounts(await dom0.ruleset());
    assert.match(rehearsed, /10\.0\.0\.111/);
    assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
    assert.equal(withoutCounts(await dom0.ruleset()), rehearsed);
    assert.doesNotMatch(rehearsed, /10\.0\.0\.11\b/);
  });
}

function withoutCounts(ruleset: string): string {
  return ruleset
    .replace(/packets \d+ bytes \d+/g, '')
    .split('\n')
    .sort()
    .join('\n');
}

/** Runs the sections of a dry run. */
async function perform(dom0: Dom0, text: string): Promise<void> {
  for (const section of text.split(/^### /m).slice(1)) {
    const [title = '', ...body] = section.split('\n');
    // Too new for some hosts.
    if (title === 'sysctl -w' || section.includes('mcast_max_groups')) continue;
    await dom0.ns.check(title.split(' '), { input: `${body.join('\n').trim()}\n` });
  }
}
