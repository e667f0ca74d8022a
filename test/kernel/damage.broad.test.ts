/** With nftables; and what only that has. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { testDamage } from './damage.ts';
import { obstacle, openDom0 } from './dom0.ts';

testDamage('nftables');

test('a chain at the device that is lost', { skip: obstacle() }, async (t) => {
  for (const damage of ['delete table netdev xen-vif', 'flush chain netdev xen-vif vif1.0']) {
    const dom0 = await openDom0(t);
    await dom0.start({ domid: 1, ip: '10.0.0.11', type: 'vif_ioemu' });
    await dom0.ns.check(['nft', ...damage.split(' ')]);
    assert.equal((await dom0.status())[0]?.state, 'damaged', damage);
    assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
    assert.equal((await dom0.status())[0]?.state, 'managed', damage);
  }
});

test('an ordinary host is whole', { skip: obstacle() }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start({
    domid: 1,
    ip: '10.0.0.11 10.0.0.16/29 fd00::11 fd00:1::/64',
    type: 'vif_ioemu',
    vifname: 'web01',
  });
  await dom0.start({ domid: 2 });
  await dom0.start({ domid: 3, ip: 'fd00::13' });
  await dom0.ns.check(['ip', 'link', 'set', 'br0', 'type', 'bridge', 'stp_state', '1', 'forward_delay', '0']);
  await dom0.start({ domid: 4, ip: '10.0.0.14' });
  for (const repair of [[], ['reapply', '--all'], ['reapply', 'vif2.0']]) {
    if (repair.length > 0) assert.equal((await dom0.admin(repair)).status, 0);
    assert.deepEqual([...new Set((await dom0.status()).map(({ state }) => state))], ['managed']);
  }
});
