/** `repair`, which units and timers run: it puts right what is ours, and takes nobody over. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { PLAIN_ENV, runProgram } from '../lab/subprocess.ts';
import { type Dom0, LAUNCHER, obstacle, openDom0 } from './dom0.ts';
import { GUEST_A } from './verdict.ts';

const skip = obstacle();

async function states(dom0: Dom0): Promise<Record<string, string>> {
  return Object.fromEntries((await dom0.status()).map(({ device, state }) => [device, state]));
}

test('repair', { skip, concurrency: 2 }, async (t) => {
  for (const backend of ['nftables', 'ebtables']) {
    await t.test(`${backend}: ours is put back, a guest of another script is left alone`, async (t) => {
      const dom0 = await openDom0(t, { policy: `[defaults]\nbackend = ${backend}\n` });
      await dom0.start(GUEST_A);
      dom0.configure({ domid: 9, ip: '10.0.0.99' });
      dom0.store.write('/local/domain/0/backend/vif/9/0/script', '/etc/xen/scripts/vif-bridge');
      await dom0.bench.addVif('vif9.0');
      await dom0.ns.check(['ip', 'link', 'set', 'vif9.0', 'master', 'br0', 'up']);
      await dom0.ns.check(['nft', 'flush', 'ruleset']);
      assert.deepEqual(await states(dom0), { 'vif1.0': 'damaged', 'vif9.0': 'unmanaged' });
      const { status, stdout } = await dom0.admin(['repair']);
      assert.deepEqual([status, stdout], [0, 're-applied: vif1.0\n']);
      assert.deepEqual(await states(dom0), { 'vif1.0': 'managed', 'vif9.0': 'unmanaged' });
    });
  }

  await t.test('a vif whose record is lost is put back too', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...GUEST_A, vifname: 'web0' });
    await dom0.ns.check(['rm', '-r', dom0.state]);
    const { status, stdout } = await dom0.admin(['repair']);
    assert.deepEqual([status, stdout], [0, 're-applied: vif1.0\n']);
    assert.deepEqual(await states(dom0), { 'vif1.0': 'managed' });
  });

  await t.test('where there is none of ours it does nothing', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.bench.addVif('vif9.0');
    await dom0.ns.check(['ip', 'link', 'set', 'vif9.0', 'master', 'br0', 'up']);
    assert.deepEqual((await dom0.admin(['repair'])).stdout, 're-applied: nothing to do\n');
    await dom0.bench.removeVif('vif9.0');
    const none = await dom0.admin(['reapply', '--all', '--dry-run']);
    assert.deepEqual([none.status, none.stdout], [0, '# note: no vif is there to be re-applied\n']);
    assert.doesNotMatch(await dom0.ruleset(), /xen-vif/);
  });

  for (const args of [['repair'], ['reapply', '--all']]) {
    await t.test(`${args.join(' ')} takes no vif for gone where /sys is of another network`, async (t) => {
      const dom0 = await openDom0(t);
      await dom0.start(GUEST_A);
      const before = await dom0.ruleset();
      // Without `ip netns exec` /sys stays that of the host.
      const { status, stderr } = await runProgram(['nsenter', `--net=/run/netns/${dom0.ns.name}`, LAUNCHER, ...args], {
        env: { ...PLAIN_ENV, VIF_BRIDGE_STATE_DIR: dom0.state, XENSTORED_PATH: dom0.store.socket },
      });
      assert.equal(status, args[0] === 'repair' ? 2 : 1);
      assert.match(stderr, /\/sys shows the devices of another network/);
      assert.equal(await dom0.ruleset(), before);
      assert.deepEqual(await states(dom0), { 'vif1.0': 'managed' });
    });
  }
});
